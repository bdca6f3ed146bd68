# A part of ssh-command: how everything is run for a client: without its environment, with limits.

# Runs the rest without the client's environment, except for a well-formed GIT_PROTOCOL. The hooks know the
# key by our two variables, and "llm-bridge key remove" finds its open sessions by them.
clean() {
  case ${GIT_PROTOCOL-} in
    version=0 | version=1) protocol=$GIT_PROTOCOL ;;
    # To a client that speaks version 2, git serves any object at all, hidden refs and unreachable
    # blobs included. In the earlier versions it compares what is asked for with what is
    # advertised. Every client speaks those too.
    *) protocol=version=0 ;;
  esac
  exec env -i PATH="$PATH" HOME="${HOME-/}" LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \
    GIT_PROTOCOL="$protocol" LLM_BRIDGE_PRINCIPAL="$name" LLM_BRIDGE_SESSION="$repo" "$@"
}

# Runs a part of a session that waits for its client, with a time limit where the system has timeout:
# seconds.
bounded() {
  if command -v timeout >/dev/null 2>&1; then set -- timeout -k 5 "$@"; else shift; fi
  clean "$@"
}

# Sets a soft limit, which the hooks raise again for node: its WebAssembly reserves address space by the
# gigabyte. An option that this shell or kernel does not have is skipped.
limit() {
  # shellcheck disable=SC3045
  ulimit -S "$1" "$2" 2>/dev/null || :
}
