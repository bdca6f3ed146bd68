# A part of ssh-command: the words of a client, which are numbers and ids of tasks.

# The whole text is a number of at most four digits.
is_count() {
  case $1 in '' | *[!0-9]* | ?????*) return 1 ;; esac
}

# The whole text is the id of a task: 40 or 64 lower-case hex digits.
is_task() {
  case $1 in '' | *[!0-9a-f]*) return 1 ;; esac
  [ "${#1}" -eq 40 ] || [ "${#1}" -eq 64 ]
}

# The text is one to 64 ids, with one blank between two of them. Sets tasks to them.
are_tasks() {
  count=0
  tasks=
  for task in $1; do
    count=$((count + 1))
    [ "$count" -le 64 ] && is_task "$task" || return 1
    tasks="$tasks $task"
  done
  [ " $1" = "$tasks" ]
}

# Sets task to the first line. dd reads no byte behind it, and no more than an id has: a shell would keep a
# line of any length. A minute ends it, and so does "key remove".
read_task() {
  task=$(bounded 60 dd bs=1 count=41 2>/dev/null)
  # Of 40 digits the line break is the 41st, which the shell takes off. No id of 64 ends here.
  [ "${#task}" -ne 41 ] || task=$task$(bounded 60 dd bs=1 count=24 2>/dev/null)
  is_task "$task"
}
