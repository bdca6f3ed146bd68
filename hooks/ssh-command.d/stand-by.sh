# A part of ssh-command: the process that stands by for the hooks of a push.

# Both hooks of a push are node programs, and node takes longer to start than the hooks take to run. So one
# process for both is started first, and loads what they need while git receives the pack. The stubs of the
# hooks ask it through descriptors 8 and 9; where it does not answer they start node themselves. Only one
# such process runs at a time (the lock is on the folder, which exists anyway), and it ends by itself after
# two seconds. So a pusher who opens many pushes and lets them hang does not fill the memory. Without the
# flock of util-linux no process stands by.
# With the word "ahead" it stands by for a session that waits for its push. One more such process runs at a
# time, by a lock of its own; the one before it may still be ending, so it waits two seconds for that. While
# it waits for its push it is no hook: without GIT_DIR nobody takes it for a process that may hold a lock of
# git.
stand_by() {
  find_programs
  keep_pack
  standby=
  lock='-n -o bridge'
  as=GIT_DIR=.
  if [ "${1-}" = ahead ]; then
    lock='-w 2 -o bridge/principals'
    as=LLM_BRIDGE_AHEAD=yes
  fi
  if ! {
    [ -x "$node" ] && [ -r "$hook" ] && command -v flock && mkfifo -m 600 "$pipe.in" "$pipe.out"
  } >/dev/null 2>&1; then
    rm -f "$pipe.pack" "$pipe.in" "$pipe.out"
    return 0
  fi
  # Like everything else in a push it has a time limit, whatever hangs.
  bound=
  if command -v timeout >/dev/null 2>&1; then bound='timeout -k 5 120'; fi
  # Opened in both directions first, because one end of a FIFO opens only when the other end is open. Each
  # end is then held by one side only, so that a dead process can be told from a slow one.
  # shellcheck disable=SC2094
  exec 3<>"$pipe.in" 4<>"$pipe.out"
  # shellcheck disable=SC2094
  exec 5<"$pipe.in" 6>"$pipe.out" 8>"$pipe.in" 9<"$pipe.out"
  {
    # No child of what has a process group of its own soon (timeout): such a child that ends makes the kernel
    # send SIGHUP to the whole group that it is in, if anything there is stopped.
    (rm -f "$pipe.pack" "$pipe.in" "$pipe.out" &)
    # As git starts a hook: in the repository, and with GIT_DIR, by which it is recognised as working there.
    # A hook that takes more than this is at fault. Seconds of processor time; KiB of data.
    limit -t 120
    limit -d 1048576
    # shellcheck disable=SC2086
    cd "$repo" && clean "$as" $bound flock $lock "$node" "$hook"
  } <&5 >&6 2>/dev/null 3<&- 4<&- 5<&- 6>&- 8>&- 9<&- &
  standing=$!
  exec 3<&- 4<&- 5<&- 6>&-
  standby=yes
}

# The node that init found, and the program that stands by; all programs are in its folder. Each path stands
# here once: doctor and an update of node look for it, and write it again.
find_programs() {
  node=@NODE@
  hook=@STANDBY@
}

# The gate copies the pack of a push into a file without a name; the hooks have it as descriptor 7. git
# does not write an object that it already has. Without the copy the hooks could not tell an object that
# was sent from one that was only named.
keep_pack() {
  # Not a special builtin: the script continues where the file cannot be made.
  if true >"$pipe.pack" 2>/dev/null; then exec 7<>"$pipe.pack"; fi
}
