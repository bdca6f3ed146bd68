import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openClone } from '../../../src/bridge/clone.js';
import { cloneMaintenance } from '../../../src/bridge/clone-maintenance.js';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { updateClone } from '../../../src/bridge/update-clone.js';
import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { clientGitEnv } from '../../../src/git/git-env.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';

const DAY_MS = 86_400_000;

test('maintenance leaves behind what is out of the window, and keeps what is young or waits', async () => {
  const nowMs = Date.now();
  const bridge = await bareBridge({ rootDate: `@${Math.floor(nowMs / 1000) - 30 * 86_400} +0000` });
  const reader = openObjectReader(bridge);
  onCleanup(() => reader.close());
  let parent = await bridge.git(['rev-parse', 'main']);
  const commits: string[] = [];
  for (const daysAgo of [20, 19, 3, 0]) {
    const blob = await writeBlob(bridge, Buffer.from(`asked ${daysAgo} days ago`));
    const by = { name: 'bot', atMs: nowMs - daysAgo * DAY_MS };
    parent = await writeFileCommit(bridge, reader, { parent, file: 'task.txt', blob, message: 'x\n', by });
    commits.push(parent);
  }
  await bridge.git(['update-ref', 'refs/heads/main', parent]);
  const env = clientGitEnv(bridge.env);
  const connection: BridgeConnection = {
    address: { kind: 'local', url: `file://${bridge.gitDir}` },
    env,
    ssh: null,
  };
  const clone = await openClone(join(bridge.dir, 'state', 'clone.git'), env);
  const inClone = { gitDir: clone.gitDir, env };
  // Long ago, all of it was young.
  await updateClone(clone, connection, { nowMs, ttlMs: 60 * DAY_MS });
  const waiting = await writeBlob(clone, Buffer.from('a finished answer'));
  await gitOk(['update-ref', `refs/bridge/finished/${parent}`, waiting], inClone);
  expect(await gitOk(['rev-list', '--count', REMOTE_MAIN_REF], inClone)).toBe('5\n');

  await updateClone(clone, connection, { nowMs, ttlMs: 7 * DAY_MS, shorten: true });
  await cloneMaintenance(clone).run(new AbortController().signal);

  const left = (await gitOk(['rev-list', '--reverse', REMOTE_MAIN_REF], inClone)).trim().split('\n');
  // The one in front of the window is the edge, so that it can be told what the first in the window brought.
  expect(left).toEqual(commits.slice(1));
  expect(await gitOk(['cat-file', '-t', waiting], inClone)).toBe('blob\n');
  expect(
    (await readdir(join(clone.gitDir, 'objects', 'pack'))).filter((one) => /\.pack$/.test(one)),
  ).toHaveLength(1);
  await gitOk(['fsck', '--strict'], inClone);
  // And it goes on from there.
  expect(await updateClone(clone, connection, { nowMs, ttlMs: 7 * DAY_MS })).toBe(parent);
});

test('a clone is due when a day has gone by or it is crowded, and is looked at now and then only', async () => {
  const bridge = await bareBridge();
  const clone = await openClone(join(bridge.dir, 'clone.git'), clientGitEnv(bridge.env));
  let nowMs = 0;
  const maintenance = cloneMaintenance(clone, () => nowMs);
  expect(await maintenance.isDue()).toBe(false);
  const pack = join(clone.gitDir, 'objects', 'pack');
  for (let at = 0; at < 61; at++) await writeFile(join(pack, `pack-${at}.idx`), '');
  expect(await maintenance.isDue()).toBe(false);
  nowMs += 11 * 60_000;
  expect(await maintenance.isDue()).toBe(true);
  const quiet = cloneMaintenance(await openClone(join(bridge.dir, 'quiet.git'), clone.env), () => nowMs);
  expect(await quiet.isDue()).toBe(false);
  nowMs += DAY_MS + 1;
  expect(await quiet.isDue()).toBe(true);
});
