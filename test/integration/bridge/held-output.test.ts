import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { openPushAhead } from '../../../src/bridge/push-ahead.js';
import { openStreamWriter } from '../../../src/bridge/stream-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

/**
 * A way to a server on which an ssh says this and stays. Its output is held open by a program that outlives
 * it, as the one that shares its connection does while that hangs.
 */
async function connectionThatSays(text: string): Promise<BridgeConnection> {
  const dir = await tempDir();
  const [ssh, pidFile] = [join(dir, 'ssh'), join(dir, 'pid')];
  const holder = `setsid sh -c 'echo $$ >"$0"; exec sleep 600' '${pidFile}' &`;
  await writeFile(ssh, `#!/bin/sh\n${holder}\nprintf '${text}'\nexec sleep 600\n`);
  await chmod(ssh, 0o755);
  const pid = async () => Number(await readFile(pidFile, 'utf8').catch(() => '')) || null;
  onCleanup(async () => void process.kill(await waitUntil(pid, 'who holds the output')));
  const address = { kind: 'ssh', url: 'ssh://b@s/x', destination: 'b@s', port: null } as const;
  const shared = { folder: '/nowhere', ready: async () => {}, rest: async () => {}, close: async () => {} };
  const command = { text: ssh, words: [ssh], isOpenSsh: true } as const;
  return { address, env: process.env, ssh: { address, ssh: command, env: process.env, shared } };
}

const soon = (what: Promise<void>) =>
  Promise.race([what.then(() => 'closed'), sleep(20_000, 'it still waits', { ref: false })]);

test('the session of a push is closed also where another program holds its output', async () => {
  const report = '0000000eunpack ok\\n0017ok refs/heads/main\\n0000';
  const session = openPushAhead(await connectionThatSays(report));
  if (session === null) throw new Error('there is no shared connection');
  const push = { from: '1'.repeat(40), to: '2'.repeat(40), pack: Buffer.from('PACK') };
  expect(await session.push(push, 'sha1')).toEqual({ status: 'pushed' });
  expect(await soon(session.close())).toBe('closed');
});

test('the session of a stream is closed also where another program holds its output', async () => {
  const writer = openStreamWriter(await connectionThatSays(''), 'a'.repeat(40));
  writer.write({ text: 'hello' });
  expect(await soon(writer.close())).toBe('closed');
});
