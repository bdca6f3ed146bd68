import { readRole } from '../bridge/principals.js';
import type { Repository } from '../git/run-git.js';
import type { Principal } from '../protocol/names.js';
import { principalNameSchema } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';

/**
 * Who pushes. The forced command of the key sets the name as LLM_BRIDGE_PRINCIPAL. The role is read from
 * `bridge/principals/<name>` at this moment, so a removed key loses its rights even on an open connection.
 * Without a name it is the owner (null).
 */
export async function readPrincipal(
  gitDir: string,
  env: NodeJS.ProcessEnv,
): Promise<{ principal: Principal | null } | Refusal> {
  const name = env.LLM_BRIDGE_PRINCIPAL;
  if (name === undefined) return { principal: null };
  const parsed = principalNameSchema.safeParse(name);
  const role = parsed.success ? readRole(gitDir, name) : null;
  if (role === null) {
    return {
      code: 'principal',
      text: `the key ${JSON.stringify(name.slice(0, 64))} is not known here, or was removed`,
      remedy: 'llm-bridge key add on the server',
    };
  }
  return { principal: { name, role } };
}

/**
 * The repository that a hook runs in. git starts hooks in the git directory itself, with GIT_DIR and the
 * quarantine in the environment. That environment must stay as it is.
 */
export function hookRepository(cwd: string, env: NodeJS.ProcessEnv): Repository {
  return { gitDir: cwd, env };
}
