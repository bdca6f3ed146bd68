/**
 * Files larger than this are left out by a clone that reads the bridge for an asker. Questions and answers
 * of people are smaller; a photo is larger, and it is seldom the asker's own. Bytes.
 */
export const LARGE_BYTES = 64 * 1024;

/**
 * The name of the other side in the settings below. git accepts that a file was left out only where a
 * setting names the remote that has it.
 */
export const PROMISOR = 'llm-bridge';

/**
 * For a command of git that has to know that the repository leaves out large files. It is never written into
 * the config: there it would make every command that misses a file ask the server for it by its id, and no
 * bridge serves that.
 */
export const SETTING_LEFT_OUT = `remote.${PROMISOR}.promisor=true`;

/**
 * For the same commands: git fetches no object by its id. git knows this variable from 2.45 on, and older
 * versions with later security fixes know it too.
 */
export const LEFT_OUT_ENV = { GIT_NO_LAZY_FETCH: '1' } as const;

/**
 * The arguments, in front of the command, of a fetch from `url` (as PROMISOR) that leaves out larger files.
 */
export function argsOfLeavingOut(url: string, maxBytes: number): readonly string[] {
  const settings = [
    SETTING_LEFT_OUT,
    `remote.${PROMISOR}.url=${url}`,
    // git leaves out what is as large as the limit.
    `remote.${PROMISOR}.partialclonefilter=blob:limit=${maxBytes + 1}`,
  ];
  return settings.flatMap((setting) => ['-c', setting]);
}
