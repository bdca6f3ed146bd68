# A part of ssh-command: a push, and a session that waits for one.

# What a push may cost, measured by the largest message of this bridge. One allocation of git: a delta that
# unpacks to more fails there. All of git's memory: address space in KiB, of which far less is ever resident.
# Its processor time, for each process: seconds. The size of one file: blocks of 512 bytes, 64 MiB and more.
receive() {
  limit -c 0
  pipe=$repo/bridge/standby.$$
  standby=
  settings=
  [ "${1-}" != ahead ] || await_push
  clear_the_way
  # For a session that has waited a process stands by already, unless another session had the lock.
  if [ -z "$standby" ] || ! kill -0 "$standing" 2>/dev/null; then stand_by; fi
  [ -n "$settings" ] || read_settings
  bytes maxtaskbytes
  largest=$value
  bytes maxanswerbytes
  [ "$value" -le "$largest" ] || largest=$value
  limit -v $((196608 + largest / 64))
  # git stays far below this. It is for the hooks, which raise the limit before.
  limit -d $((1048576 + largest / 32))
  limit -t 3
  limit -f $((131072 + largest / 64))
  bytes receivetimeout 300
  seconds=$value
  set -- "$repo/bridge/receive-pack" "$repo" "$seconds" "$largest"
  # receive-pack drops a client that hangs. If anything else hangs, this ends it.
  if command -v timeout >/dev/null 2>&1; then set -- timeout -k 5 $((seconds + 60)) "$@"; fi
  clean GIT_ALLOC_LIMIT=$((8388608 + largest * 2)) LLM_BRIDGE_STANDBY="$standby" LLM_BRIDGE_SETTINGS="$settings" "$@"
}

# Waits for the line "push" of a client that opens its session before it has anything to push: most of the
# work of a push is done before that line comes. No git runs meanwhile. A minute ends it, and so does "key
# remove".
await_push() {
  stand_by ahead
  read_config
  known=$config
  read_settings
  line=$(bounded 60 dd bs=1 count=5 2>/dev/null)
  case $line in
    push) ;;
    # The client has gone, or the minute is over.
    '') exit 0 ;;
    *) refuse_command ;;
  esac
  # What was set meanwhile counts.
  read_config
  [ "$config" = "$known" ] || settings=
}
