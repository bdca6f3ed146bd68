import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { openPushAhead } from '../../../src/bridge/push-ahead.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';

const URL = 'ssh://bot@server/srv/bridge.git';

/** A way to a server on which whatever is asked runs this script. */
async function connectionTo(script: string): Promise<BridgeConnection> {
  const ssh = join(await tempDir(), 'ssh');
  await writeFile(ssh, `#!/bin/sh\n${script}\n`);
  await chmod(ssh, 0o755);
  const address = { kind: 'ssh', url: URL, destination: 'bot@server', port: null } as const;
  const shared = { folder: '/nowhere', ready: async () => {}, rest: async () => {}, close: async () => {} };
  const command = { text: ssh, words: [ssh], isOpenSsh: true } as const;
  const env = process.env;
  return { address, env, ssh: { address, ssh: command, env, shared } };
}

test('a server that answers a push with something else, and without an end, has broken the connection', async () => {
  const session = openPushAhead(await connectionTo('exec yes'));
  if (session === null) throw new Error('there is no shared connection');
  onCleanup(() => session.close());
  const push = { from: '1'.repeat(40), to: '2'.repeat(40), pack: Buffer.from('PACK') };
  const pushed = session.push(push, 'sha1', AbortSignal.timeout(10_000));
  await expect(pushed).rejects.toMatchObject({ code: 'connection-broke', retryable: true });
});
