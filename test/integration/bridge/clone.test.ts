import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openClone, updateClone } from '../../../src/bridge/clone.js';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import { readHistory } from '../../../src/git/read-history.js';
import { messageOf } from '../../../src/protocol/history.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';
import { messageWriter } from '../../support/message-writer.js';

const WINDOW = { nowMs: Date.UTC(2026, 10, 22), ttlMs: 604_800_000 };

async function bridgeAndConnection(rootDate?: string) {
  const bridge = await bareBridge(rootDate === undefined ? {} : { rootDate });
  const env = clientGitEnv(bridge.env);
  const connection: BridgeConnection = { address: { kind: 'local', url: bridge.gitDir }, env, ssh: null };
  return { bridge, connection, clone: await openClone(join(bridge.dir, 'state', 'clone.git'), env) };
}

test('a clone whose making was killed half-way is made whole, and keeps what it has', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  const tip = await updateClone(clone, connection, WINDOW);
  // As a kill between the steps leaves it: HEAD is there, the last setting is not.
  await gitOk(['config', '--unset', 'transfer.fsckObjects'], { gitDir: clone.gitDir });
  await rm(join(clone.gitDir, 'objects', 'info'), { recursive: true, force: true });
  const again = await openClone(clone.gitDir, connection.env);
  expect(await gitOk(['config', 'transfer.fsckObjects'], { gitDir: again.gitDir })).toBe('true\n');
  expect(await updateClone(again, connection, WINDOW)).toBe(tip);
  expect(await bridge.git(['rev-parse', 'main'])).toBe(tip);
});

test('a bridge where nothing is as young as the time-to-live is fetched by its tip alone', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection('@1000000000 +0000');
  expect(await updateClone(clone, connection, WINDOW)).toBe(await bridge.git(['rev-parse', 'main']));
});

test('the first message after a long silence is fetched with what it changed, and the silence is not', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection('@1000000000 +0000');
  const write = messageWriter(bridge.gitDir, bridge.env);
  const root = await bridge.git(['rev-parse', 'main']);
  const before = Math.floor(1_000_000_001 - Date.now() / 1000);
  const old = await write.ask(root, 'old', { secondsFromNow: before });
  const task = await write.ask(old, 'first', {
    secondsFromNow: Math.floor((WINDOW.nowMs - Date.now()) / 1000) - 60,
  });
  await bridge.git(['update-ref', 'refs/heads/main', task]);

  await updateClone(clone, connection, WINDOW);

  const history = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  expect(history.map((commit) => [commit.id, messageOf(commit).kind])).toEqual([
    [old, 'other'],
    [task, 'task'],
  ]);
});

test('a main that was rewritten is an error that nothing but a person mends', async () => {
  const { bridge, connection, clone } = await bridgeAndConnection();
  await updateClone(clone, connection, WINDOW);
  const other = await bridge.git(['commit-tree', 'main^{tree}', '-m', 'another root']);
  await bridge.git(['update-ref', 'refs/heads/main', other]);
  await expect(updateClone(clone, connection, WINDOW)).rejects.toMatchObject({
    code: 'history-rewritten',
    retryable: false,
  });
});
