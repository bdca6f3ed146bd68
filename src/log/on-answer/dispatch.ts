import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBridgeSettings } from '../../bridge/bridge-settings.js';
import type { Repository } from '../../git/run-git.js';
import { DISK } from '../../process/durable-file.js';
import { tryFileLock } from '../../process/file-lock.js';
import { markOfLog } from '../log-records.js';
import { deliver } from './deliver.js';
import { listOnAnswer } from './folder.js';
import type { DeliveryContext, Recipient } from './recipient.js';
import { isAskedAgain, listOnAnswerStates, removeOnAnswerState } from './state.js';

/**
 * How often a dispatcher that has work, or waits to try again, looks for new records and executables.
 * Milliseconds.
 */
const LOOK_MS = 500;

/**
 * How long a dispatcher stays for a failing executable, since any executable last took a record. Afterwards
 * the next ingest starts another dispatcher. Milliseconds.
 */
const LINGER_MS = 30 * 60_000;

/** The environment and the clock of a dispatcher. */
export interface DispatchOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
}

/**
 * Gives every record of the log to every executable in `on-answer.d`, at least once, and to each executable
 * in order. Ends when all executables have all records, or when none took a record for half an hour. Only
 * one dispatcher of a bridge stays; the others leave at once. Records that are in the log when one leaves
 * are not missed: the one that stays looks at the log once more after it released the lock. Each executable
 * goes at its own pace; one that fails or hangs delays only itself.
 */
export async function dispatch(repo: Repository, options: DispatchOptions): Promise<void> {
  const { answersLog, onAnswerTimeoutMs, onAnswerRetryMs } = await readBridgeSettings(repo);
  const { gitDir } = repo;
  const context: DeliveryContext = {
    gitDir,
    answersLog,
    timeoutMs: onAnswerTimeoutMs,
    retryMs: onAnswerRetryMs,
    ...options,
    isRunnable: async (name) => (await runnable(gitDir)).some((entry) => entry.name === name),
  };
  const lock = path.join(gitDir, 'bridge', 'on-answer.lock');
  for (;;) {
    const turn = await tryFileLock(lock, () => deliverAll(context));
    if (!turn.held || (await markOfLog(DISK, answersLog)) === turn.value) return;
  }
}

/**
 * Delivers until every executable has every record, or none takes a record any more. Returns the
 * mark of the log at the last look.
 */
async function deliverAll(context: DeliveryContext): Promise<string> {
  const recipients = new Map<string, Recipient & { seenMark: string | null }>();
  const running = new Map<string, Promise<void>>();
  let takenAtMs = context.now();
  for (;;) {
    // Taken before the log is read: a later record changes the mark.
    const mark = await markOfLog(DISK, context.answersLog);
    const entries = await runnable(context.gitDir);
    for (const entry of entries) {
      const recipient = recipients.get(entry.name) ?? newRecipient(entry);
      recipients.set(entry.name, recipient);
      const isNews = recipient.seenMark !== mark || recipient.notBeforeMs > 0;
      const isDue = isNews && recipient.notBeforeMs <= context.now();
      if (running.has(entry.name) || !(isDue || (await isAskedAgain(context.gitDir, entry.name)))) continue;
      recipient.notBeforeMs = 0;
      const job = deliver(context, recipient).then((hasTaken) => {
        recipient.seenMark = mark;
        if (hasTaken) takenAtMs = context.now();
        running.delete(entry.name);
      });
      running.set(entry.name, job);
    }
    for (const name of recipients.keys())
      if (!running.has(name) && !entries.some((entry) => entry.name === name)) recipients.delete(name);
    await forgetGone(context.gitDir);
    const isWaiting = [...recipients.values()].some(({ notBeforeMs }) => notBeforeMs > 0);
    const isTired = context.now() - takenAtMs > LINGER_MS;
    if (running.size === 0 && (!isWaiting || isTired)) return mark;
    await oneOf([...running.values()], LOOK_MS);
  }
}

function newRecipient(entry: Recipient['entry']): Recipient & { seenMark: string | null } {
  return { entry, state: null, isUnsaved: false, notBeforeMs: 0, seenMark: null };
}

async function runnable(gitDir: string): Promise<Recipient['entry'][]> {
  return (await listOnAnswer(gitDir)).filter((entry) => entry.status === 'runnable');
}

/**
 * Forgets the states of removed executables: one that is put back later starts with new answers.
 * One that is refused for now keeps its state.
 */
async function forgetGone(gitDir: string): Promise<void> {
  const states = await listOnAnswerStates(gitDir);
  const there = new Set((await listOnAnswer(gitDir)).map((entry) => entry.name));
  for (const name of states) if (!there.has(name)) await removeOnAnswerState(gitDir, name);
}

async function oneOf(jobs: readonly Promise<void>[], timeoutMs: number): Promise<void> {
  const timer = new AbortController();
  await Promise.race([...jobs, sleep(timeoutMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
