import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { keepUp } from '../../../src/server-hook/upkeep/keep-up.js';
import { upkeepFolder } from '../../../src/server-hook/upkeep/named-packs.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { newTextOf, type ResentPlan, writeConversations } from '../../support/resent-conversations.js';
import { runProcess } from '../../support/run-process.js';
import { numbered, stepsToTry } from '../../support/steps-to-try.js';
import { IS_FULL_LENGTH } from '../../support/test-length.js';

const PROGRAM = fileURLToPath(new URL('../../../dist/hooks/upkeep.cjs', import.meta.url));
const DIE_AT_STEP = fileURLToPath(new URL('../../support/die-at-step.mjs', import.meta.url));

const plan = (from: number, to: number): ResentPlan => ({
  conversations: 8,
  turns: [from, to],
  chars: 1000,
});
const objectsOf = (bridge: BareBridge) => bridge.git(['rev-list', '--objects', '--no-object-names', 'main']);

describe('conversations that are sent whole at every turn', () => {
  test('are packed to their new text, turn upon turn, in few packs, while they are read', async () => {
    const bridge = await bareBridge();
    await writeConversations(bridge, plan(0, 12));
    const reader = openObjectReader(bridge);
    const first = await bridge.git(['rev-parse', 'main~20:task.json']);
    expect(await reader.info(first)).not.toBeNull();

    expect(await keepUp(bridge, { now: true })).toBe(true);
    const [once, ...more] = await packsOf(bridge);
    expect(more).toEqual([]);
    expect(await sizeOf(bridge)).toBeLessThan(2 * newTextOf(plan(0, 12)));

    for (const [from, to] of [
      [12, 18],
      [18, 21],
      [21, 24],
    ] as const) {
      await writeConversations(bridge, plan(from, to));
      await keepUp(bridge, { now: true });
    }
    expect((await packsOf(bridge)).length).toBeLessThan(3);
    expect(await packsOf(bridge)).not.toContain(once);
    expect(await bridge.git(['count-objects'])).toBe('0 objects, 0 kilobytes');
    expect(await sizeOf(bridge)).toBeLessThan(2 * newTextOf(plan(0, 24)));
    // A reader that was open meanwhile finds what lies elsewhere now.
    expect((await reader.read(first))?.content.toString()).toContain('"role":"user"');
    reader.close();
    expect(await bridge.git(['fsck', '--strict', '--connectivity-only'])).not.toMatch(/missing|error|broken/);
  });

  test('are not packed before there are enough, and a pack of a pusher is packed anew', async () => {
    const bridge = await bareBridge();
    await writeConversations(bridge, plan(0, 3));
    expect(await keepUp(bridge)).toBe(false);
    await keepUp(bridge, { now: true });
    await writeConversations(bridge, plan(3, 9));
    // As a push of many commits leaves them: a pack, in which strangers are compared.
    await bridge.git(['repack', '-d', '-q', '-l']);
    await keepUp(bridge, { now: true });

    expect(await sizeOf(bridge)).toBeLessThan(2 * newTextOf(plan(0, 9)));
    expect((await packsOf(bridge)).length).toBeLessThan(3);
  });

  test('whose upkeep has lost its notes are packed all the same', async () => {
    const bridge = await bareBridge();
    await writeConversations(bridge, plan(0, 4));
    await keepUp(bridge, { now: true });
    await writeConversations(bridge, plan(4, 8));
    await rm(upkeepFolder(bridge.gitDir), { recursive: true });
    await keepUp(bridge, { now: true });
    await writeFile(join(upkeepFolder(bridge.gitDir), 'state.json'), '{"packed":"0000"');
    await writeConversations(bridge, plan(8, 9));
    await keepUp(bridge, { now: true });

    expect(await bridge.git(['count-objects'])).toBe('0 objects, 0 kilobytes');
    expect(await bridge.git(['fsck', '--strict', '--connectivity-only'])).not.toMatch(/missing|error|broken/);
  });
});

test('a removal that a kill cut short is ended by the next upkeep, however unlike the sizes of what is left', async () => {
  const bridge = await bareBridge();
  const write = async (conversations: number, turns: readonly [number, number]) => {
    await writeConversations(bridge, { conversations, turns, chars: 1000 });
  };
  await write(8, [0, 12]);
  await keepUp(bridge, { now: true });
  await write(5, [12, 13]);
  await keepUp(bridge, { now: true });
  expect(await packsOf(bridge)).toHaveLength(2);
  await write(5, [13, 14]);
  const before = await objectsOf(bridge);
  const fault = {
    FAULT_FOR: 'upkeep',
    FAULT_STEPS: join(bridge.dir, 'steps'),
    FAULT_AT: 'rm .*\\.idx',
    FAULT_MODE: 'dies',
  };
  await runProcess(process.execPath, ['--import', DIE_AT_STEP, PROGRAM, bridge.gitDir, 'now'], {
    env: { ...bridge.env, ...fault },
  });
  // The smallest of three is going; the other two are no likes of each other, nor of what has all of it.
  expect(await packsOf(bridge)).toHaveLength(4);
  await keepUp(bridge, { now: true });
  expect(await packsOf(bridge)).toHaveLength(1);
  expect(await objectsOf(bridge)).toBe(before);
});

/** In the suite: the steps after which something else is on the disk, of each kind one. */
const TELLING =
  /^(?:git .*(?:pack-objects|prune-packed)|rename .*\.(?:list|json)|writeFile .*\.keep|rm .*\.(?:idx|pack))/;

test.each([
  ['dies before', 'dies'],
  ...(IS_FULL_LENGTH
    ? [
        ['dies while git goes on alone at', 'orphans'],
        ['fails at', 'fails'],
      ]
    : []),
])('an upkeep that %s any step of its work loses nothing, and the next one ends it', async (_how, mode) => {
  const bridge = await bareBridge();
  const steps = join(bridge.dir, 'steps');
  let turn = 0;
  const more = async () => {
    await writeConversations(bridge, { conversations: 3, turns: [turn, turn + 2], chars: 300 });
    turn += 2;
  };
  const run = (at: number) =>
    runProcess(process.execPath, ['--import', DIE_AT_STEP, PROGRAM, bridge.gitDir, 'now'], {
      env: { ...bridge.env, FAULT_FOR: 'upkeep', FAULT_STEPS: steps, FAULT_AT: String(at), FAULT_MODE: mode },
    });
  await more();
  await run(0);
  await more();
  // The second upkeep puts packs together as well.
  await rm(steps, { force: true });
  await run(0);
  const all = (await readFile(steps, 'utf8')).trim().split('\n');
  expect(all.join('\n')).toMatch(/pack-objects[\s\S]*prune-packed[\s\S]*gc[\s\S]*pack-objects[\s\S]*rm /);
  // Whatever pack a step is about, it is of one kind.
  const named = numbered(all.map((name) => name.replace(/pack-[0-9a-f]{40}/g, 'pack')));
  for (const step of stepsToTry(named.filter(({ name }) => IS_FULL_LENGTH || TELLING.test(name)))) {
    await more();
    const before = await objectsOf(bridge);
    await run(step.at);
    expect(await objectsOf(bridge), step.name).toBe(before);
    expect(await bridge.git(['fsck', '--connectivity-only']), step.name).not.toMatch(/missing|error|broken/);
    await run(0);
    expect(await objectsOf(bridge), step.name).toBe(before);
    expect(await bridge.git(['count-objects']), step.name).toBe('0 objects, 0 kilobytes');
    expect((await packsOf(bridge)).length, step.name).toBeLessThan(5);
  }
});

async function packsOf(bridge: BareBridge): Promise<string[]> {
  const names = await readdir(join(bridge.gitDir, 'objects', 'pack'));
  return names.filter((name) => name.endsWith('.pack'));
}

/** The bytes of the objects. */
async function sizeOf(bridge: BareBridge): Promise<number> {
  const said = await bridge.git(['count-objects', '-v']);
  const kib = (key: string) => Number(new RegExp(`^${key}: ([0-9]+)$`, 'm').exec(said)?.[1]);
  return 1024 * (kib('size') + kib('size-pack'));
}
