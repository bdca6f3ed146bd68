import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newTextOf, type ResentPlan, writeConversations } from '../../support/resent-conversations.js';
import type { Lab, LabBridge } from '../lab.js';
import { treeOf, usageOf } from '../process-usage.js';
import type { Figure } from '../report.js';
import type { Row } from '../row-context.js';

const TURNS = 200;
const CHARS = 1000;

/** After so many turns of each conversation an upkeep may have enough to pack; it decides. */
const STEP = 8;

const MAX_RATIO = 3;
const MAX_MB = 150;

const UPKEEP = path.resolve('dist/hooks/upkeep.cjs');

/**
 * Conversations that are sent whole at every turn, one alone and 50 that take turns: what they take on the
 * disk when the upkeep has packed them as pushes do, against their new text, and the memory of that upkeep.
 */
export const resentRow: Row = async ({ lab }) => [...(await measure(lab, 1)), ...(await measure(lab, 50))];

async function measure(lab: Lab, conversations: number): Promise<Figure[]> {
  const bridge = await lab.makeBridge(`resent-${conversations}`);
  let megabytes = 0;
  let sentBytes = 0;
  for (let from = 0; from < TURNS; from += STEP) {
    const plan: ResentPlan = { conversations, turns: [from, from + STEP], chars: CHARS };
    await writeConversations({ gitDir: bridge.repoPath, env: lab.env }, plan);
    // Turn n repeats the 2 n messages before it.
    for (let turn = from; turn < from + STEP; turn += 1) sentBytes += conversations * (2 * turn + 2) * CHARS;
    megabytes = Math.max(megabytes, await upkeep(lab, bridge));
  }
  megabytes = Math.max(megabytes, await upkeep(lab, bridge, 'now'));
  const newText = newTextOf({ conversations, turns: [0, TURNS], chars: CHARS });
  const bytes = await bytesOf(lab, bridge);
  lab.say(`resent: ${bytes} bytes of packs, ${newText} of new text, ${sentBytes} sent`);
  const who = conversations === 1 ? 'one conversation' : `${conversations} conversations that take turns`;
  return [
    {
      row: 'resent',
      what: `${who}, ${TURNS} turns each, all messages sent again at every turn: their packs`,
      unit: '×',
      value: { count: 1, median: bytes / newText, p95: bytes / newText },
      against: `${(newText / 1e6).toFixed(1)} MB of new text, ${(sentBytes / 1e6).toFixed(0)} MB sent`,
      target: `≤ ${MAX_RATIO} ×`,
      reached: bytes / newText <= MAX_RATIO,
    },
    {
      row: 'resent',
      what: '… memory of the upkeep, all its processes',
      unit: 'MB',
      value: { count: 1, median: megabytes, p95: megabytes },
      target: `≤ ${MAX_MB} MB`,
      reached: megabytes <= MAX_MB,
    },
  ];
}

/** Runs the upkeep as a push starts it, and returns the most memory that its processes had together. */
async function upkeep(lab: Lab, { repoPath }: LabBridge, ...when: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [UPKEEP, repoPath, ...when], { env: lab.env, stdio: 'ignore' });
  const ended = once(child, 'close');
  let isOver = false;
  ended.finally(() => {
    isOver = true;
  });
  let most = 0;
  while (!isOver) {
    most = Math.max(most, (await usageOf(await treeOf(child.pid ?? -1))).megabytes);
    await Promise.race([ended, sleep(20)]);
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`the upkeep ended with ${code}`);
  return most;
}

/** The bytes of all objects, packed and loose. */
async function bytesOf(lab: Lab, { repoPath }: LabBridge): Promise<number> {
  const said = await lab.git(repoPath, ['count-objects', '-v']);
  const kib = (key: string) => Number(new RegExp(`^${key}: ([0-9]+)$`, 'm').exec(said)?.[1]);
  return 1024 * (kib('size') + kib('size-pack'));
}
