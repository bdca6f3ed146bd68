# An ssh whose connection may break: `sh dropping-ssh.sh <ssh and its words>`. Only what may be the
# connection that breaks is run by dropping-ssh.mjs, which explains the variables: node takes longer to start
# than ssh.
case "$*" in
  *"$DROP_FOR"*) [ -e "$DROP_DONE" ] || exec "$DROP_NODE" "$DROP_BY" "$@" ;;
esac
exec "$@"
