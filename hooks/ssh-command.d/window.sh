# A part of ssh-command: the part of history in which tasks are open.

# Prints the part of history in which tasks can be pending, as far as it is wanted: so many of the tasks that
# wait, and so many that have expired. Without the list of open tasks the reader fetches all of it. It takes
# a program of node, so only one runs at a time (the lock is on a folder that nothing else locks), which
# waits ten seconds for the one before, and whose time and memory are bounded: seconds, KiB. Without the
# flock of util-linux and timeout there is none.
window() {
  require_config
  find_programs
  hook=${hook%/*}/say-window.cjs
  if [ ! -s "$repo/bridge/open-tasks" ] || [ ! -x "$node" ] || [ ! -r "$hook" ]; then
    printf '{"window":null}\n'
    return
  fi
  limit -c 0
  limit -t 30
  limit -d 1048576
  cd "$repo" && clean GIT_DIR=. timeout -k 5 60 flock -w 10 -o hooks "$node" "$hook" "$1" "$2"
}
