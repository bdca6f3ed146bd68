/** The name and password of an address. git gets them beside the address, not in it. */
export interface Credentials {
  /** `https://host:port`, the only server that gets them. */
  readonly origin: string;
  readonly username: string;
  readonly password: string;
}

/**
 * git runs it with `get`, `store` or `erase`. Its answer is never in a command line, which others can read.
 */
const HELPER =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$LLM_BRIDGE_GIT_NAME" "$LLM_BRIDGE_GIT_PASSWORD"; }; f';

/** The environment in which git uses these credentials, and no other helper, for their origin. */
export function withCredentials(env: NodeJS.ProcessEnv, credentials: Credentials): NodeJS.ProcessEnv {
  const { origin, username, password } = credentials;
  const before = Number(env.GIT_CONFIG_COUNT) || 0;
  const key = `credential.${origin}.helper`;
  return {
    ...env,
    LLM_BRIDGE_GIT_NAME: username,
    LLM_BRIDGE_GIT_PASSWORD: password,
    // An empty value forgets the helpers before it.
    [`GIT_CONFIG_KEY_${before}`]: key,
    [`GIT_CONFIG_VALUE_${before}`]: '',
    [`GIT_CONFIG_KEY_${before + 1}`]: key,
    [`GIT_CONFIG_VALUE_${before + 1}`]: HELPER,
    GIT_CONFIG_COUNT: String(before + 2),
  };
}
