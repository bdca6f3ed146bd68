# A part of ssh-command: a fetch, and a session that waits for one.

# A git that cannot read what it must send ends with 128. Then the repair runs after this
# command, and the client's next try works.
upload() {
  require_config
  read -r _ 2>/dev/null <"$repo/HEAD" || clear_the_way
  (clean git @PINNED_FETCH@ upload-pack --strict --timeout=120 "$repo")
  status=$?
  if [ "$status" -eq 128 ]; then repair & fi
  exit "$status"
}

# Waits for the id of the commit that a client has of main, and sends the id of main and a pack of what is
# new since then; nothing but main can be had so. The client opens its session before main moves: most of
# what a fetch takes is over by then, and no git runs meanwhile. Where no pack is made, the client fetches.
fetch_ahead() {
  if ! read_task; then
    # The client has gone, or the minute is over.
    [ -n "$task" ] || exit 0
    refuse_command
  fi
  require_config
  tip=
  read -r tip 2>/dev/null <"$repo/refs/heads/main" || :
  is_task "$tip" || tip=$(clean git --git-dir="$repo" rev-parse --verify --quiet refs/heads/main)
  is_task "$tip" || exit 1
  limit -c 0
  printf '%s\n' "$tip"
  # Only for a commit: what is sent without a file would tell that the bridge has this file.
  printf '%s\n^%s^{commit}\n' "$tip" "$task" |
    bounded 120 git @PINNED_FETCH@ --git-dir="$repo" pack-objects --revs --stdout --quiet --threads=1 2>/dev/null
}
