import os from 'node:os';
import type { ObjectReader } from '../git/object-reader.js';
import type { Repository } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { DEFAULT_MAX_ANSWER_BYTES } from '../protocol/limits.js';
import { principalNameSchema } from '../protocol/names.js';
import type { QueueState } from '../protocol/pending.js';
import { type BridgeDoor, type BridgeTerms, readTerms } from '../remote/bridge-door.js';
import { updateClone } from '../remote/clone.js';
import type { AgentOptions } from './agent-options.js';
import { composeAnswer } from './compose-answer.js';
import { dropFinished, type FinishedAnswer, keepFinished } from './finished-answers.js';
import { publish } from './publish.js';
import type { QueueView } from './queue-view.js';

/** What a running agent knows. The network side of it changes in `synchronise` only. */
export interface AgentSession {
  readonly options: AgentOptions;
  readonly door: BridgeDoor;
  readonly clone: Repository;
  readonly reader: ObjectReader;
  readonly view: QueueView;
  /** Null until the bridge was reached, and after anything that may have changed it. */
  terms: BridgeTerms | null;
  /** The name answers are given in. */
  name: string;
  queue: QueueState | null;
  /** The tip of main that `queue` is of. */
  tip: string | null;
  finished: FinishedAnswer[];
  /** Tasks the server will have no answer to; not to be started again. */
  readonly settled: Set<string>;
  /** Whether main may have moved since the last fetch. */
  fetchDue: boolean;
}

/** So many pushes turned away with no other push in between are not bad luck: main cannot be moved. */
const MAX_LOST_ON_ONE_TIP = 5;

/** A warning is due when the clocks differ by more than a person would put up with. */
const CLOCK_WARNING_MS = 2 * 60_000;

/** The server's clock, as far as it is known. */
export function serverNow(session: AgentSession): number {
  return Date.now() + (session.terms?.clockOffsetMs ?? 0);
}

/**
 * Brings clone and server together:
 * 1. ask the server who we are and by which rules, where that is not known;
 * 2. fetch main, if it may have moved;
 * 3. let go of finished answers that nobody waits for any more;
 * 4. push the others on top of main; where another push came first, go back to 2.
 * Throws BridgeError: `retryable` where it is enough to call again.
 */
export async function synchronise(session: AgentSession, signal: AbortSignal): Promise<void> {
  if (session.terms === null) await learnTerms(session, signal);
  let lost = { tip: '', times: 0 };
  for (;;) {
    const terms = session.terms;
    if (terms === null) return synchronise(session, signal);
    const clock = { nowMs: serverNow(session), ttlMs: terms.taskTtlMs };
    if (session.fetchDue || session.tip === null) {
      // Cleared first: a ring during the fetch is about something this fetch may have missed.
      session.fetchDue = false;
      try {
        session.tip = await updateClone(session.clone, session.door, clock, signal);
      } catch (error) {
        session.fetchDue = true;
        throw error;
      }
    }
    session.queue = await session.view.update(session.tip, clock);
    await letGo(session);
    if (session.finished.length === 0) return;
    const { tip } = session;
    if ((await push(session, tip, signal)) !== 'raced') continue;
    lost = { tip, times: lost.tip === tip ? lost.times + 1 : 1 };
    if (lost.times >= MAX_LOST_ON_ONE_TIP) throw stuckMain(session.door.address.url);
  }
}

function stuckMain(url: string): BridgeError {
  return new BridgeError(`main of ${url} cannot be moved, and nobody else moves it`, {
    code: 'stuck-lock',
    remedy: 'if no git runs on the server, remove the left-over refs/heads/main.lock in the bridge',
    retryable: true,
  });
}

async function learnTerms(session: AgentSession, signal: AbortSignal): Promise<void> {
  const { options, door } = session;
  const terms = await readTerms(door, signal);
  if (terms.principal?.role === 'asker') {
    throw new BridgeError(`the key ${terms.principal.name} has the role asker and cannot answer`, {
      code: 'role',
      remedy:
        "on the server: llm-bridge key add <name> --role agent --key FILE.pub, with a key of the agent's own",
    });
  }
  if (Math.abs(terms.clockOffsetMs) > CLOCK_WARNING_MS) {
    const off = `${formatDuration(Math.abs(terms.clockOffsetMs))} ${terms.clockOffsetMs > 0 ? 'behind' : 'ahead of'}`;
    options.log(
      'warn',
      `the clock of this machine is ${off} the server's; answers are dated by the server's`,
    );
  }
  session.name = terms.principal?.name ?? options.name ?? hostName();
  if (terms.principal !== null && options.name !== undefined && options.name !== terms.principal.name) {
    options.log(
      'warn',
      `--name ${options.name} is not used: the key is ${terms.principal.name}'s, and so are its answers`,
    );
  }
  options.log('info', `connected to ${door.address.url} as ${session.name}`);
  session.terms = terms;
  session.fetchDue = true;
}

/** Finished answers whose task is answered by now, was never on main, or has run out of time. */
async function letGo(session: AgentSession): Promise<void> {
  const pending = new Set(session.queue?.pending.map((task) => task.id));
  const gone = session.finished.filter((one) => !pending.has(one.taskId));
  if (gone.length === 0) return;
  const ids = new Set(gone.map((one) => one.taskId));
  await dropFinished(session.clone, [...ids]);
  session.finished = session.finished.filter((one) => !ids.has(one.taskId));
}

/** One push. `raced`: it lost against another, and a fetch is due; `settled`: whatever came of it is dealt with. */
async function push(session: AgentSession, tip: string, signal: AbortSignal): Promise<'raced' | 'settled'> {
  const { clone, reader, options } = session;
  const place = {
    clone,
    reader,
    url: session.door.address.url,
    agent: session.name,
    now: () => serverNow(session),
    signal,
  };
  const outcome = await publish(place, tip, session.finished);
  if (outcome.status === 'pushed') {
    session.tip = outcome.tip;
    return 'settled';
  }
  if (outcome.status === 'raced') {
    session.fetchDue = true;
    return 'raced';
  }
  const { taskId, refusal } = outcome;
  const said = `task ${taskId.slice(0, 8)}: the server refused the answer: ${refusal.text}`;
  switch (refusal.code) {
    case 'answered':
    case 'expired':
    case 'unknown-task':
      options.log('info', said);
      session.settled.add(taskId);
      session.finished = session.finished.filter((one) => one.taskId !== taskId);
      await dropFinished(clone, [taskId]);
      session.fetchDue = true;
      return 'settled';
    case 'payload':
    case 'limit':
    case 'message':
    case 'shape':
      await replaceRefused(session, taskId, refusal.text, said);
      return 'settled';
    case 'clock':
      // The clocks drifted apart since the server was asked: ask again, and date the answer anew.
      session.terms = null;
      throw new BridgeError(said, { code: 'refused-clock', remedy: refusal.remedy, retryable: true });
    case 'internal':
      throw new BridgeError(said, { code: 'refused-internal', remedy: refusal.remedy, retryable: true });
    default:
      throw new BridgeError(said, { code: `refused-${refusal.code}`, remedy: refusal.remedy });
  }
}

/**
 * The asker is owed a word: an answer that the server will not have is replaced by an error that says so. Where it will not have that
 * either, the task is left alone, with its answer in the clone, and the others go on.
 */
async function replaceRefused(
  session: AgentSession,
  taskId: string,
  text: string,
  said: string,
): Promise<void> {
  const refused = session.finished.find((one) => one.taskId === taskId);
  if (refused === undefined || refused.answer.error?.code === 'answer_refused') {
    session.options.log(
      'error',
      `${said}; nor will it have an error; try: update llm-bridge on both machines, and run "llm-bridge init" on the server`,
    );
    session.settled.add(taskId);
    session.finished = session.finished.filter((one) => one.taskId !== taskId);
    return;
  }
  session.options.log('warn', said);
  const { answer } = refused;
  const frame = {
    taskId,
    hash: answer.task_hash,
    task: null,
    agent: session.name,
    latencyMs: answer.latency_ms,
    nowMs: serverNow(session),
    maxAnswerBytes: session.terms?.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  };
  const replaced = await keepFinished(
    session.clone,
    composeAnswer(frame, {
      model: answer.model,
      backend: answer.backend,
      answer: null,
      error: { code: 'answer_refused', message: `the server refused the answer: ${text}` },
    }),
  );
  session.finished = session.finished.map((one) => (one.taskId === taskId ? replaced : one));
}

function hostName(): string {
  const name = (os.hostname().split('.')[0] ?? '').replace(/[^A-Za-z0-9._-]/g, '-');
  return principalNameSchema.safeParse(name).success ? name : 'agent';
}
