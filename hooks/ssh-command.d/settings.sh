# A part of ssh-command: the settings of the bridge, from its config.

# Reads all settings with one git process: one per line, the key in lower case. The hooks of a push get them
# too. Without a version nothing is served.
read_settings() {
  settings=$(git config --file "$repo/config" --get-regexp '^(bridge|extensions)\.' 2>/dev/null)
  case "
$settings" in
    *'
bridge.version '[0-9]*) ;;
    *) refuse_without_config ;;
  esac
}

# Sets value to the value of a key; the last one counts, as for git. A line that does not begin
# with a key belongs to a value of several lines, which no valid setting has. It is joined with a
# blank, so the value is never accepted.
setting() {
  value=$2
  mine=
  while read -r key text; do
    case $key in
      "bridge.$1") value=$text mine=yes ;;
      bridge.* | extensions.*) mine= ;;
      *) [ -z "$mine" ] || value="$value $key" ;;
    esac
  done <<END
$settings
END
}

# The same for a number that is valid as JSON and for the hook: no leading zero, at most 15 digits; else the
# default.
bytes() {
  setting "$1" ''
  case $value in '' | 0* | *[!0-9]* | ????????????????*) value=${2-8388608} ;; esac
}

# The check of read_settings where no setting is needed. It uses builtins, because every fetch waits for it;
# git decides where they find nothing.
require_config() {
  section=
  while read -r word sign value _; do
    case $word in
      '[bridge]') section=bridge ;;
      '['*) section= ;;
      version) if [ "$section$sign" = bridge= ] && [ -n "$value" ]; then return 0; fi ;;
    esac
  done 2>/dev/null <"$repo/config"
  value=$(git config --file "$repo/config" --get bridge.version 2>/dev/null)
  [ -n "$value" ] || refuse_without_config
}

# A config that a power cut has emptied has no limits and hides nothing. Such a bridge serves nothing.
refuse_without_config() {
  refuse 'the config of this bridge is empty or damaged, and nothing is served without it' 'llm-bridge doctor on the server'
}

# Sets config to the text of the config, without a process: a push and a first token wait for it.
read_config() {
  config=
  while IFS= read -r text || [ -n "$text" ]; do
    config="$config$text
"
  done 2>/dev/null <"$repo/config"
}
