# A part of ssh-command: how many streams there may be at a time.

# Takes one of the 256 places of a kind of session: "say", "hear", or "ahead" of a task. A place is a mark
# with the number of this process, and of a writer with its task. It is made before the marks are counted,
# so of many sessions that come at once none is overlooked. There are never more than 256 files with a name,
# those of writers that have none yet included; and a file that lost its name to another belongs to a
# writer, of which there are never more than 256 either.
take_place() {
  streams=$repo/bridge/streams
  { [ -d "$streams" ] && [ ! -h "$streams" ]; } || refuse 'this bridge has no folder for streams' 'llm-bridge init on the server'
  mark=$streams/$1.$$
  # A mark may be of a process with the same number, from before a restart of the machine. Here and below no
  # program is started for what is hardly ever there: the first token waits for it.
  set +f
  for file in "$mark" "$mark".*; do
    if [ -e "$file" ] || [ -h "$file" ]; then
      rm -f "$mark" "$mark".*
      break
    fi
  done
  set -f
  [ "$1" != say ] || mark=$mark.$task
  set -C
  # Not a special builtin: the script continues where the file cannot be made.
  true 2>/dev/null >"$mark" || refuse 'the place for streams cannot be written' 'llm-bridge doctor on the server'
  set +C
  count_places "$1"
  if [ "$places" -gt 256 ]; then
    remove_dead_marks "$1"
    count_places "$1"
  fi
  if [ "$places" -gt 256 ] && [ "$1" = say ]; then
    remove_ended_streams
    count_places say
  fi
  if [ "$places" -gt 256 ]; then
    rm -f "$mark"
    refuse 'there are too many streams now' 'wait for the answer; it comes without one'
  fi
}

count_places() {
  set +f
  set -- "$1" "$streams/$1".*
  places=$(($# - 1))
  if [ "$1" = say ]; then
    shift
    writers=$#
    # Those whose file has no name yet.
    places=0
    for file; do
      [ -e "$streams/${file##*.}" ] || places=$((places + 1))
    done
    set -- "$streams"/[0-9a-f]*
    places=$((places + $#))
    # A pattern without a match stands for itself.
    [ -e "$1" ] || [ -h "$1" ] || places=$((places - 1))
    [ "$writers" -le 256 ] || places=$((places + 256))
  fi
  set -f
}

# Removes the marks of sessions that were killed. One whose number is in use again stays, until the sweep.
remove_dead_marks() {
  set +f
  kind=$1
  set -- "$mark"
  for file in "$streams/$kind".*; do
    number=${file##*/"$kind".}
    kill -0 "${number%%.*}" 2>/dev/null || set -- "$@" "$file"
  done
  set -f
  shift
  [ "$#" -eq 0 ] || rm -f "$@"
}

# Streams that are complete stay for ten minutes, for listeners that come late. Where no place is left they
# are removed at once: their answers are there. One tail shows the ends of all of them.
remove_ended_streams() {
  set +f
  set -- "$streams"/[0-9a-f]*
  set -f
  tail -v -c 13 "$@" </dev/null 2>/dev/null | while read -r line; do
    case $line in
      "==> $streams/"*' <==')
        file=${line#==> }
        file=${file% <==}
        ;;
      '{"end":true}')
        if is_task "${file##*/}" && [ -f "$file" ] && [ ! -h "$file" ]; then rm -f "$file"; fi
        ;;
    esac
  done
}
