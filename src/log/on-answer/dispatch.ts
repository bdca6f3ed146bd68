import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBridgeSettings } from '../../bridge/bridge-settings.js';
import type { Repository } from '../../git/run-git.js';
import { DISK } from '../../process/durable-file.js';
import { tryFileLock } from '../../process/file-lock.js';
import { markOfLog } from '../log-records.js';
import { type DeliveryContext, deliver, type Recipient } from './deliver.js';
import { listOnAnswer } from './folder.js';
import { listOnAnswerStates, removeOnAnswerState } from './state.js';

/** How often a dispatcher that has work, or waits to try again, looks for new records and executables. Milliseconds. */
const LOOK_MS = 500;

/** How long it stays for one that fails, since the last record that any took. Afterwards the next ingest starts another. Milliseconds. */
const LINGER_MS = 30 * 60_000;

/** What it needs of the machine. */
export interface DispatchOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
}

/**
 * Gives every record of the log to every executable in `on-answer.d`, at least once and to each in order, and ends when all have all of
 * them, or when nothing was taken for half an hour. Of those that are started for a bridge one stays and the others leave at once: whatever
 * is in the log when one leaves, the one that stays finds before it leaves, by looking once more behind the lock. Each executable
 * goes at its own pace; what fails or hangs keeps nobody but itself.
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

/** Until all have all, or nothing is taken any more. Answers the mark of the log that was looked at last. */
async function deliverAll(context: DeliveryContext): Promise<string> {
  const recipients = new Map<string, Recipient & { seenMark: string | null }>();
  const running = new Map<string, Promise<void>>();
  let takenAtMs = context.now();
  for (;;) {
    // Before the log is read: what comes in later has another mark.
    const mark = await markOfLog(DISK, context.answersLog);
    const entries = await runnable(context.gitDir);
    for (const entry of entries) {
      const recipient = recipients.get(entry.name) ?? newRecipient(entry);
      recipients.set(entry.name, recipient);
      const isNews = recipient.seenMark !== mark || recipient.notBeforeMs > 0;
      if (running.has(entry.name) || !isNews || recipient.notBeforeMs > context.now()) continue;
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

/** An executable that was taken away and is put back later begins anew. One that is refused for now keeps its state. */
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
