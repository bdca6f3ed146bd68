import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BridgeFixture } from './bridge-fixture.js';

/** The moments at which a connection can break; `dropping-ssh.mjs` explains them. */
export const MOMENTS = ['before', 'greeting', 'question', 'answer', 'unheard'] as const;
export type Moment = (typeof MOMENTS)[number] | 'silent';

/** The purpose of a connection: the command on the server. */
export type Service =
  | 'git-upload-pack'
  | 'git-receive-pack'
  | 'bridge-fetch'
  | 'bridge-push'
  | 'bridge-hello'
  | 'bridge-wait';

/**
 * The environment of a principal whose first connection for this service breaks; with `says`, the first on
 * which the client says that. The file `done` exists once it broke.
 */
export function droppingEnv(
  bridge: BridgeFixture,
  name: string,
  drop: { readonly service: Service; readonly when: Moment; readonly says?: string },
): { readonly env: Record<string, string>; readonly done: string } {
  const { env } = bridge.principal(name);
  const done = join(bridge.dir, `dropped-${randomUUID()}`);
  const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  return {
    done,
    env: {
      ...env,
      GIT_SSH_COMMAND: `sh '${fileOf('./dropping-ssh.sh')}' ${env.GIT_SSH_COMMAND}`,
      DROP_BY: fileOf('./dropping-ssh.mjs'),
      DROP_NODE: process.execPath,
      DROP_FOR: drop.service,
      DROP_WHEN: drop.when,
      DROP_SAYS: drop.says ?? '',
      DROP_DONE: done,
    },
  };
}
