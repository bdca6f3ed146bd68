/**
 * Before a command of a shell: what `ownSession` is to `runProcess`, which says why. It is of util-linux, so
 * on Linux alone.
 */
export const IN_OWN_SESSION = process.platform === 'linux' ? 'setsid -w ' : '';
