# A part of ssh-command: what a client is told first.

hello() {
  read_settings
  setting taskttl 7d
  ttl=$value
  case $ttl in '' | *[!0-9smhdw]*) ttl=7d ;; esac
  setting claimlease 60s
  lease=$value
  case $lease in '' | *[!0-9smhdw]*) lease=60s ;; esac
  bytes maxtaskbytes
  task=$value
  bytes maxanswerbytes
  # POSIX date has no fractions of a second. Where it has none, the time is rounded down: what an agent dates
  # by it must not be later than the time at which the server takes it in.
  time=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
  case $time in *.[0-9][0-9][0-9]Z) ;; *) time=${time%%.*}.000Z ;; esac
  writable=
  has_room || writable=',"writable":false'
  printf '{"name":"%s","role":"%s","protocol":@PROTOCOL@,"time":"%s","task_ttl":"%s","max_task_bytes":%s,"max_answer_bytes":%s,"claim_lease":"%s","features":@FEATURES@%s}\n' \
    "$name" "$role" "$time" "$ttl" "$task" "$value" "$lease" "$writable"
}

# Whether a push can be written: 16 MiB are free, as "serve" looks at it on this machine. Where df says
# nothing that can be read, git decides.
has_room() {
  [ -w "$repo/objects" ] || return 1
  # In the last line the free KiB stand before the first word with a percent sign.
  free=
  for word in $(df -Pk "$repo/objects" 2>/dev/null); do
    case $word in *%) break ;; *) free=$word ;; esac
  done
  # What is kept for root counts below zero for some df.
  case $free in -[0-9]*) return 1 ;; '' | *[!0-9]* | ????????????????*) return 0 ;; esac
  [ "$free" -ge 16384 ]
}
