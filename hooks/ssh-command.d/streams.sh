# A part of ssh-command: what an agent says while it generates, and who listens.

# Copies what an agent says of a task into a new file, which takes the name of the task at once, so that a
# listener reads each line as it comes. An empty line comes first, because a listener may come from an
# earlier file that broke off within a line. A stream that is too long ends, and so does one after an hour.
say() {
  [ "$role" = agent ] || refuse_to_say
  largest=16777216
  # Only where the config has the name of this setting is git asked for its value.
  read_config
  case $config in
    *[Ss][Tt][Rr][Ee][Aa][Mm][Bb][Yy][Tt][Ee][Ss]*)
      read_settings
      bytes maxstreambytes "$largest"
      largest=$value
      ;;
    *) require_config ;;
  esac
  take_place say
  draft=$streams/new.$$
  if [ -e "$draft" ] || [ -h "$draft" ]; then rm -f "$draft"; fi
  said=
  set -C
  # A folder under that name would take the file in.
  if [ ! -d "$streams/$task" ] && printf '\n' 2>/dev/null >"$draft"; then
    set +C
    limit -c 0
    # Blocks of 512 bytes. The first byte is the empty line.
    limit -f $(((largest + 511) / 512))
    # Open before it has its name, which another writer may take at any moment.
    # shellcheck disable=SC2094
    { mv -f "$draft" "$streams/$task" && (bounded 3600 cat >&3 2>/dev/null 3>&-) && said=yes; } 3>>"$draft"
  fi
  rm -f "$draft" "$mark"
  [ -n "$said" ] || refuse 'the stream broke off' 'wait for the answer; it comes without one'
}

# The same for an agent that opens its session before it knows the task: the id is the first line.
say_ahead() {
  [ "$role" = agent ] || refuse_to_say
  take_place ahead
  read_task
  known=$?
  rm -f "$mark" &
  [ "$known" -eq 0 ] || refuse_command
  say
}

refuse_to_say() {
  refuse "the key $name asks, and only agents say what they generate" 'llm-bridge ask'
}

# Follows the streams of tasks from their beginning, also where there is none yet, and goes on at the first
# byte of a file that takes its name. Of several tasks, tail prints a line of its own that names the file of
# the next bytes. The client ends it after the last line; so does "key remove". Ten minutes end it as well,
# because not every tail notices that its client is gone; a client that still waits comes again. The mark is
# an empty file that is there: without one, tail gets no events while no stream is there, and looks only once
# a second.
listen() {
  [ "$role" = asker ] || refuse "the key $name answers, and only askers listen" 'llm-bridge agent'
  require_config
  take_place hear
  limit -c 0
  how=-q
  [ "$count" -eq 1 ] || how=-v
  set --
  for task in $tasks; do
    [ -h "$streams/$task" ] || set -- "$@" "$streams/$task"
  done
  # The mark last: tail takes the last one for the one whose line it has written, whether it was there or
  # not.
  [ "$#" -eq 0 ] || (bounded 600 tail "$how" -c +1 -F "$@" "$mark" 2>/dev/null)
  rm -f "$mark"
}
