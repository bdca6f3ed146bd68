/**
 * The variables of this machine that a child process needs. Everything else of the caller's environment
 * stays out.
 */
const KEPT = [
  'PATH',
  'TMPDIR',
  'USER',
  'LOGNAME',
  'SHELL',
  'SystemRoot',
  'ComSpec',
  'PATHEXT',
  'TEMP',
  'TMP',
];

/**
 * The environment for programs under test: PATH, the given home folder, UTC, and git without anybody's
 * settings. So it has no agent, no proxy, no CI, no colour setting, no `GIT_*` and no `LLM_BRIDGE_*` except
 * those in `extra`.
 */
export function cleanEnv(home: string, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = KEPT.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    USERPROFILE: home,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    ...extra,
  };
}

/** The environment that the sessions of a test's sshd get for the same reason. The rest is sshd's own. */
export const CLEAN_SESSION = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  TZ: 'UTC',
} as const;
