/**
 * Settings of the user, the machine or a repository that would change what our plumbing does or reads, each
 * with the value that we need. What the user chose about the way to the server (url.*.insteadOf,
 * core.sshCommand, http.*, remote.*, protocol.*, safe.directory) stays theirs. Where a command has an option
 * for a setting, the option is given there.
 */
export const PINNED = [
  // A hook of theirs (reference-transaction, post-index-change) would run at every ref that we move.
  'core.hooksPath=/dev/null',
  // git would start a program of theirs to ask what has changed.
  'core.fsmonitor=false',
  // Theirs may be lower. git does not look into a blob above it, and fsck reports a .gitattributes above it
  // as damaged.
  'core.bigFileThreshold=512m',
  // Our commits are UTF-8. Such a commit has no header that says so.
  'i18n.commitEncoding=UTF-8',
  // A colour code could stand in the middle of a refusal.
  ...[
    'color.ui=false',
    'color.push=false',
    'color.remote=false',
    'color.transport=false',
    'color.advice=false',
  ],
  // History.
  ...['log.showSignature=false', 'log.mailmap=false', 'log.showRoot=true', 'log.follow=false'],
  ...['diff.renames=false', 'diff.ignoreSubmodules=none', 'diff.relative=false', 'diff.noPrefix=false'],
  // Fetch: only what is asked for comes or goes, it is checked, and the clone is packed at its own time.
  ...[
    'fetch.prune=false',
    'fetch.pruneTags=false',
    'fetch.recurseSubmodules=false',
    'submodule.recurse=false',
  ],
  ...['fetch.fsckObjects=true', 'fetch.writeCommitGraph=false', 'fetch.negotiationAlgorithm=default'],
  ...['gc.auto=0', 'maintenance.auto=false'],
  // Push: a server without push options refuses a push that has some. An empty value removes all of them.
  ...['push.pushOption=', 'push.gpgSign=false', 'push.followTags=false', 'push.recurseSubmodules=no'],
  ...['push.negotiate=false', 'push.useForceIfIncludes=false'],
] as const;

/** The same as arguments that stand in front of the command of git. */
export const PINNED_ARGS: readonly string[] = PINNED.flatMap((setting) => ['-c', setting]);
