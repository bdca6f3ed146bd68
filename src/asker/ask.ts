import { type Attendance, attendanceOf } from '../bridge/attendance.js';
import { type BridgeConnection, openDoorbell } from '../bridge/connection.js';
import { createNotifier } from '../bridge/notifier.js';
import type { TaskWork } from '../bridge/side-refs.js';
import { startStopwatch } from '../bridge/stopwatch.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { shortId } from '../protocol/names.js';
import { type FoundAnswer, findAnswer, findTask } from './find-task.js';
import { type Asker, openAsker } from './open-asker.js';
import type { TaskDraft } from './task-draft.js';

/** Options for a question. */
export interface AskOptions {
  /** Makes the task; called with the bridge's limit and the server's clock. */
  readonly draft: (terms: {
    readonly maxBytes: number;
    readonly nowMs: number;
    /** The whole id of the task that is replied to. */
    readonly replyTo: string | undefined;
  }) => TaskDraft;
  /**
   * The task whose conversation continues: its id, or the beginning of it. It must have an answer without an
   * error.
   */
  readonly replyTo?: string | undefined;
  /** Do not wait for the answer. */
  readonly noWait?: boolean;
  /** Stop waiting after this time; the task stays asked. Default: as long as the task lives. */
  readonly timeoutMs?: number;
  /** The asker's name, where no key gives one. */
  readonly name?: string;
  readonly signal?: AbortSignal;
  /** Called once the task is on main. */
  readonly onAsked?: (task: string) => void;
  /**
   * Called when it is first known what the task waits for, and whenever that changes. Looking for it costs a
   * fetch now and then.
   */
  readonly onWaiting?: (waiting: Waiting) => void;
  /** How soon and how often to look for that. Default: WATCHFUL. */
  readonly looks?: LookPace;
  /** Called now and then while waiting on a local bridge, to log the answers that a killed hook missed. */
  readonly ingest?: () => Promise<unknown>;
}

/** What a task waits for: the agent that is at it, or for an agent. Times are by the server's clock. */
export type Waiting =
  | { readonly for: 'answer'; readonly work: TaskWork; readonly nowMs: number }
  | { readonly for: 'agent'; readonly attendance: Attendance; readonly nowMs: number };

/** When to look what a task waits for: first, and at the longest; in between it grows. Milliseconds. */
export interface LookPace {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** For somebody who watches. */
export const WATCHFUL: LookPace = { firstMs: 1_000, longestMs: 10_000 };

/** For a program, which wants to know that nobody is there, and nothing of a quick answer. */
export const PATIENT: LookPace = { firstMs: 3_000, longestMs: 30_000 };

/** `waiting`: no answer within the time; `asked`: not waited for. The task stays asked in both. */
export type AskOutcome =
  | { readonly status: 'asked'; readonly task: string }
  | { readonly status: 'waiting'; readonly task: string }
  | ({ readonly status: 'answered'; readonly task: string } & FoundAnswer);

/** With a doorbell this poll is only a safety net; without one it is how an answer is found. Milliseconds. */
const SAFETY_POLL_MS = 30_000;
const POLL_MS = 2_000;

/**
 * Asks a bridge and waits for the answer. An error answer is an answer too: the caller looks at
 * `answer.error`. Throws BridgeError where the task could not be asked. Once it is asked, a lost network only
 * makes the wait longer.
 */
export async function ask(connection: BridgeConnection, options: AskOptions): Promise<AskOutcome> {
  const { signal } = options;
  const asker = await openAsker(connection, options.name, signal);
  try {
    const { terms } = asker;
    const replyTo =
      options.replyTo === undefined ? undefined : await findAnswered(asker, options.replyTo, signal);
    const draft = options.draft({ maxBytes: terms.maxTaskBytes, nowMs: terms.serverNow(), replyTo });
    const task = await asker.submit(draft, signal);
    options.onAsked?.(task);
    if (options.noWait) return { status: 'asked', task };
    return await waitForAnswer(connection, asker, task, options);
  } finally {
    await asker.close();
  }
}

async function waitForAnswer(
  connection: BridgeConnection,
  asker: Asker,
  task: string,
  options: AskOptions,
): Promise<AskOutcome> {
  const { signal } = options;
  const notifier = createNotifier();
  let rungTip: string | undefined;
  const ring = (tip?: string) => {
    rungTip = tip;
    notifier.ring();
  };
  const doorbell = openDoorbell(connection, { ring });
  const told = openTeller(asker, task, options);
  const waitedMs = startStopwatch();
  const longestMs = Math.min(options.timeoutMs ?? Number.POSITIVE_INFINITY, asker.terms.taskTtlMs);
  try {
    for (let isNews = asker.tip() !== task; ; ) {
      const isDue = told.inMs() <= 0;
      const found = isNews || isDue ? await look(asker, task, signal, isDue) : null;
      if (found !== null) {
        await options.ingest?.();
        return { status: 'answered', task, ...found };
      }
      const leftMs = longestMs - waitedMs();
      if (isDue) await told.look();
      if (signal?.aborted) return { status: 'waiting', task };
      if (leftMs <= 0) {
        if (told.isSilent()) return await lastLook(asker, task, told, signal);
        return { status: 'waiting', task };
      }
      const pollMs = doorbell.connected() ? SAFETY_POLL_MS : POLL_MS;
      const outcome = await notifier.wait(Math.min(leftMs, pollMs, told.inMs()), signal);
      // Our own task rings the doorbell as well.
      isNews = outcome === 'timeout' || rungTip === undefined || rungTip !== asker.tip();
    }
  } finally {
    await doorbell.close();
  }
}

/** Whoever waits for a short time only is told as well why there is no answer. */
async function lastLook(
  asker: Asker,
  task: string,
  told: ReturnType<typeof openTeller>,
  signal: AbortSignal | undefined,
): Promise<AskOutcome> {
  const found = await look(asker, task, signal, true);
  if (found !== null) return { status: 'answered', task, ...found };
  await told.look();
  return { status: 'waiting', task };
}

/**
 * Tells what a task waits for. A claim does not ring the doorbell, so it is polled for, less and less often,
 * because there may be no agent.
 */
function openTeller(asker: Asker, task: string, { onWaiting, looks = WATCHFUL }: AskOptions) {
  let last = '';
  let everyMs = looks.firstMs;
  let sinceMs = startStopwatch();
  return {
    /** Whether somebody wants to know, and was told nothing yet. */
    isSilent: () => onWaiting !== undefined && last === '',
    /** How long until the next look. Milliseconds. */
    inMs: () => (onWaiting === undefined ? Number.POSITIVE_INFINITY : everyMs - sinceMs()),
    async look() {
      everyMs = Math.min(everyMs * 1.5, looks.longestMs);
      sinceMs = startStopwatch();
      const who = await asker.whoWorks().catch(() => null);
      if (who === null) return;
      const nowMs = asker.terms.serverNow();
      const work = who.running.get(task);
      const takesClaims = asker.terms.claimLeaseMs !== null;
      const attendance = attendanceOf(who, { nowMs, takesClaims });
      const now = JSON.stringify(work ?? attendance);
      if (now === last) return;
      last = now;
      onWaiting?.(work === undefined ? { for: 'agent', attendance, nowMs } : { for: 'answer', work, nowMs });
    },
  };
}

async function look(asker: Asker, task: string, signal: AbortSignal | undefined, withClaims: boolean) {
  try {
    return await asker.mended(async () => {
      await asker.refresh(signal, withClaims);
      return await findAnswer(asker.repo, asker.ref, task, signal);
    }, signal);
  } catch (error) {
    if (signal?.aborted) return null;
    if (error instanceof BridgeError && error.retryable) return null;
    throw error;
  }
}

/**
 * Finds the task to reply to by its id or the beginning of it, and returns its whole id. That task is usually
 * young; all of history is fetched only where it is not. Throws BridgeError `no-such-task`, `not-answered`
 * (yet), `failed-task`, or `usage` as findTask does.
 */
export async function findAnswered(asker: Asker, text: string, signal?: AbortSignal): Promise<string> {
  await asker.reach('window', signal);
  let task = await findTask(asker.repo, asker.ref, text);
  if (task === null) {
    await asker.reach('all', signal);
    task = await findTask(asker.repo, asker.ref, text);
  }
  if (task === null) {
    throw new BridgeError(`no task on this bridge begins with ${text}, so there is nothing to reply to`, {
      code: 'no-such-task',
      remedy: '"llm-bridge list" shows the tasks',
    });
  }
  const found = await findAnswer(asker.repo, asker.ref, task.id, signal);
  const id = shortId(task.id);
  if (found === null) {
    throw new BridgeError(`${id} has no answer yet, so there is nothing to reply to`, {
      code: 'not-answered',
      remedy: `wait for it: llm-bridge answer ${id}`,
    });
  }
  if (found.answer.error !== null) {
    throw new BridgeError(`${id} was answered with the error ${found.answer.error.code}`, {
      code: 'failed-task',
      remedy: 'reply to the task before it, or ask anew',
    });
  }
  return task.id;
}
