import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { openClone } from '../../../src/bridge/clone.js';
import { fetchMain, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { type ObjectReader, openObjectReader } from '../../../src/git/object-reader.js';
import { readRef } from '../../../src/git/refs.js';
import { type Repository, runGit } from '../../../src/git/run-git.js';
import { unpackMain } from '../../../src/git/unpack-main.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { messageWriter } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';

let bridge: BareBridge;
let clone: Repository;
let reader: ObjectReader;
let from: string;

beforeEach(async () => {
  bridge = await bareBridge();
  const { env } = bridge;
  clone = await openClone(join(bridge.dir, 'clone.git'), env);
  await fetchMain(clone, bridge.gitDir, {});
  reader = openObjectReader(clone);
  onCleanup(() => reader.close());
  from = await bridge.git(['rev-parse', 'main']);
});

const writer = () => messageWriter(bridge.gitDir, bridge.env);

/** So many tasks on top of a commit; the last of them. */
async function asked(on: string, count: number): Promise<string> {
  let tip = on;
  for (let at = 0; at < count; at += 1) tip = await writer().ask(tip, `question ${at} of ${on}`);
  return tip;
}

/** What the bridge has that is behind the first of these and not behind the others. */
async function packOf(to: string, ...not: string[]): Promise<Buffer> {
  const input = [to, ...not.map((id) => `^${id}`), ''].join('\n');
  const repo = { gitDir: bridge.gitDir, env: bridge.env };
  return (await runGit(repo, ['pack-objects', '--revs', '--stdout', '-q'], { input })).stdout;
}

const isUnpacked = (move: { from: string; to: string; pack: Buffer }) => unpackMain(clone, reader, move);
const main = () => readRef(clone, REMOTE_MAIN_REF);

test.each([0, 1, 3])('what is new is taken in: %s commits', async (count) => {
  const to = await asked(from, count);
  expect(await isUnpacked({ from, to, pack: await packOf(to, from) })).toBe(true);
  expect(await main()).toBe(to);
  expect((await runGit(clone, ['fsck', '--strict'])).exitCode).toBe(0);
});

test('main that does not continue what is here stays where it was', async () => {
  const mine = await asked(from, 1);
  expect(await isUnpacked({ from, to: mine, pack: await packOf(mine, from) })).toBe(true);
  const theirs = await writer().ask(from, 'of another history');
  expect(await isUnpacked({ from: mine, to: theirs, pack: await packOf(theirs, mine) })).toBe(false);
  expect(await isUnpacked({ from: mine, to: from, pack: await packOf(from, mine) })).toBe(false);
  expect(await main()).toBe(mine);
});

test('a pack in which something is missing, or that is none, is not taken in', async () => {
  const first = await asked(from, 1);
  const last = await asked(first, 1);
  const whole = await packOf(last, from);
  const cut = whole.subarray(0, whole.length - 30);
  const wrong = Buffer.from(whole);
  wrong[wrong.length - 25] = (wrong[wrong.length - 25] ?? 0) ^ 1;
  for (const pack of [Buffer.alloc(0), Buffer.from('no pack'), cut, wrong, await packOf(last, first)])
    expect(await isUnpacked({ from, to: last, pack }), `${pack.length} bytes`).toBe(false);
  expect(await main()).toBe(from);
  await fetchMain(clone, bridge.gitDir, {});
  expect((await runGit(clone, ['fsck', '--strict'])).exitCode).toBe(0);
});

test('more commits than come in a moment are left to git', async () => {
  const to = await asked(from, 65);
  expect(await isUnpacked({ from, to, pack: await packOf(to, from) })).toBe(false);
  expect(await main()).toBe(from);
});
