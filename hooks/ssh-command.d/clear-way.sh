# A part of ssh-command: what a killed git or a power cut has left in the way of a push.

# A running git removes its lock within a moment. A lock that stays is removed by the repair, which
# first proves that it is stale. The push waits for that, but only for a limited time. After that
# git itself reports what is wrong.
clear_the_way() {
  looks=0
  while is_blocked; do
    if [ "$looks" -lt 5 ]; then
      pause 0.02
    else
      if [ "$looks" -eq 5 ]; then
        repair &
        repairing=$!
      fi
      [ "$looks" -lt 55 ] && kill -0 "$repairing" 2>/dev/null || return 0
      pause 0.1
    fi
    looks=$((looks + 1))
  done
}

# Looks for what a killed git or a power cut leaves behind and what would make git refuse every push: locks,
# and empty ref files. The check starts no process, because every push waits for it.
is_blocked() {
  for file in HEAD.lock packed-refs.lock packed-refs.new refs/heads/main.lock; do
    if [ -e "$repo/$file" ]; then return 0; fi
  done
  read -r _ 2>/dev/null <"$repo/HEAD" || return 0
  set +f
  set -- "$repo"/refs/bridge/claims/* "$repo"/refs/bridge/agents/* "$repo"/refs/bridge/models/*
  set -f
  for file; do
    # A pattern without a match stands for itself.
    [ -e "$file" ] || continue
    case $file in *.lock) return 0 ;; esac
    # An empty file has no line end either. A file that is gone by now does not matter.
    read -r _ 2>/dev/null <"$file" || [ ! -e "$file" ] || return 0
  done
  return 1
}

# Not every sleep accepts fractions of a second.
pause() {
  sleep "$1" 2>/dev/null || sleep 1
}

# In the background, and without the connection and the pipes of a push.
repair() {
  exec "$repo/bridge/repair" "$repo" </dev/null >/dev/null 2>&1 7<&- 8>&- 9<&-
}
