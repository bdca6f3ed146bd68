import path from 'node:path';
import { cloneMaintenance } from '../bridge/clone-maintenance.js';
import {
  type BridgeConnection,
  closeConnection,
  openConnection,
  openDoorbell,
} from '../bridge/connection.js';
import { createNotifier } from '../bridge/notifier.js';
import { startStopwatch } from '../bridge/stopwatch.js';
import { errorText } from '../protocol/bridge-error.js';
import { shortId } from '../protocol/names.js';
import type { AgentOptions } from './agent-options.js';
import { type AgentSession, type Due, type SessionCore, setDue } from './agent-session.js';
import { openClaims } from './claims/open-claims.js';
import { watchClock } from './clock-jump.js';
import { createDeepening } from './clone/deepening.js';
import { listFinished } from './clone/finished-answers.js';
import { isSound, openCloneReader, openOwnClone, replaceClone } from './clone/own-clone.js';
import { cloneRepair } from './clone/repair-clone.js';
import { outlast } from './outlast.js';
import { createPriorityOrder, openQueueView } from './queue/queue-view.js';
import { defaultStateDir, openSessionId, openStateFolder } from './state-folder.js';
import { synchronise } from './synchronise.js';
import { startWorkers } from './workers.js';

/** With a doorbell that rings, looking anyway is only a safety net: a minute, or less where polls would be closer together. */
const SAFETY_POLL_MS = 60_000;
const SAFETY_POLL_FACTOR = 30;

/** Without one, a poll that finds nothing waits longer the next time, up to so many times `pollMs`. */
const MAX_POLL_FACTOR = 10;

/**
 * What is still pushed after an abort, and the claims that are released, have so long; answers that are not pushed stay in the state folder. An
 * agent is to end within 5 s, also on a machine that takes a while to end git and ssh.
 */
const LAST_PUSH_MS = 3_500;

/**
 * The agent, until its signal aborts, or with `once` until nothing is pending. One turn:
 * 1. start what is pending, as far as there is room;
 * 2. fetch, or look whether there is anything to fetch, and push what is finished (again and again, where the server is away);
 * 3. start what that brought;
 * 4. wait: for the doorbell, a finished answer, the end of another's claim, or the time to look anyway.
 * Throws BridgeError for what a person has to mend; finished answers are kept for the next run.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const opening = outlast(() => openConnection(options.repo, options.env, options.ssh), options);
  const connection = await unlessAborted(opening, options.signal);
  if (connection === null) return;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const dir = path.resolve(options.stateDir ?? defaultStateDir(connection.address.url));
  const locking = openStateFolder(
    dir,
    signal,
    (error) => failed.abort(error),
    () =>
      options.log('info', 'the state folder is locked; waiting in case its agent is about to end', {
        event: 'locked',
      }),
  );
  const state = await unlessAborted(locking, options.signal);
  if (state === null) return;
  try {
    const id = await openSessionId(dir);
    await answerTasks({ options, connection, cloneDir: state.cloneDir, id, signal, failed });
  } finally {
    await state.release();
  }
}

/** Null in place of an error once the end was asked for: that is no failure. */
function unlessAborted<T>(step: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return step.catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
}

/** The loop, in a state folder that is ours. */
async function answerTasks(context: {
  readonly options: AgentOptions;
  readonly connection: BridgeConnection;
  readonly cloneDir: string;
  /** Tells this agent from others with the same key. */
  readonly id: string;
  readonly signal: AbortSignal;
  /** Aborted where the state folder is no longer ours; the loop aborts it to end its workers. */
  readonly failed: AbortController;
}): Promise<void> {
  const { options, connection, signal, failed } = context;
  const open = () =>
    openKept(context.cloneDir, connection.env, () =>
      options.log('info', 'waiting for a git that is at work in the clone, of an agent that was killed', {
        event: 'clone-busy',
      }),
    );
  const keeping = outlast(open, { log: options.log, signal, once: options.once });
  const kept = await unlessAborted(keeping, options.signal);
  if (kept === null) return;
  const { clone, reader, finished } = kept;
  const notifier = createNotifier();
  const hurry = createNotifier();
  const core: SessionCore = {
    options,
    connection,
    clone,
    reader,
    view: openQueueView(clone),
    priority: createPriorityOrder(reader),
    maintenance: cloneMaintenance(clone),
    deepening: createDeepening(clone.gitDir, () => due('fetch')),
    clock: watchClock(),
    id: context.id,
    runningMs: startStopwatch(),
    terms: null,
    serverNow: () => Date.now(),
    name: options.name ?? '',
    queue: null,
    tip: null,
    finished,
    settled: new Set(),
    due: 'fetch',
    rungTip: null,
  };
  const due = (what: Due) => {
    setDue(core, what);
    notifier.ring();
  };
  const claims = openClaims(core, due);
  const session: AgentSession = Object.assign(core, { claims });
  const repair = cloneRepair(session);
  const workers = startWorkers(session, notifier, signal, repair);
  const ring = (tip?: string) => {
    if (tip === undefined) setDue(session, 'fetch');
    else session.rungTip = tip;
    hurry.ring();
    notifier.ring();
  };
  const doorbell = options.once ? null : openDoorbell(connection, { ring });
  const safetyMs = Math.min(SAFETY_POLL_MS, SAFETY_POLL_FACTOR * options.pollMs);
  let idleTurns = 0;
  let isDone = false;
  try {
    while (!signal.aborted) {
      workers.fill();
      const sound = () => repair.run(() => synchronise(session, signal));
      await outlast(sound, { log: options.log, signal, once: options.once, hurry });
      idleTurns = workers.fill() > 0 ? 0 : idleTurns + 1;
      isDone = workers.busy() === 0 && session.finished.length === 0 && !claims.isHoldingOff();
      if (options.once && isDone) return;
      const pollMs = options.pollMs * Math.min(2 ** idleTurns, MAX_POLL_FACTOR) * (0.75 + Math.random() / 2);
      const isHearing = doorbell?.connected() === true;
      const longestMs = isHearing ? safetyMs * (1 + Math.random() / 4) : pollMs;
      const outcome = await notifier.wait(Math.min(longestMs, claims.wakeInMs()), signal);
      // A poll costs a connection of its own, which is nearly all that a fetch costs, and one that finds something should not need two.
      if (outcome === 'timeout') setDue(session, isHearing ? 'look' : 'fetch');
    }
    if (failed.signal.aborted) throw failed.signal.reason;
  } catch (error) {
    // An abort in the middle of anything is the end that was asked for, not a failure.
    if (!options.signal.aborted || failed.signal.aborted) throw failed.signal.reason ?? error;
  } finally {
    if (options.signal.aborted) options.log('info', 'stopping', { event: 'stopping' });
    failed.abort();
    await workers.ended();
    await doorbell?.close();
    // A failed agent has no business on the server any more; its claims run out.
    const isOver = options.signal.aborted || (options.once && isDone);
    const last = AbortSignal.timeout(LAST_PUSH_MS);
    await Promise.all([
      options.signal.aborted ? pushLast(session, last) : undefined,
      claims.close(isOver ? last : null),
    ]);
    reader.close();
    await closeConnection(connection);
  }
}

/** The clone and the answers that wait in it; a clone that is damaged is made anew first. */
async function openKept(dir: string, env: NodeJS.ProcessEnv, onWait: () => void) {
  for (let isNew = false; ; isNew = true) {
    const reader = openCloneReader({ gitDir: dir, env });
    try {
      const clone = await openOwnClone(dir, env, onWait);
      return { clone, reader, finished: await listFinished(clone, reader) };
    } catch (error) {
      reader.close();
      if (isNew || (await isSound({ gitDir: dir, env }))) throw error;
      await replaceClone({ gitDir: dir, env });
    }
  }
}

/** After an abort: what is finished is pushed if the server answers at once; else it waits for the next start. */
async function pushLast(session: AgentSession, within: AbortSignal): Promise<void> {
  if (session.finished.length === 0) return;
  try {
    await synchronise(session, within);
  } catch (error) {
    const ids = session.finished.map((one) => shortId(one.taskId)).join(', ');
    session.options.log('warn', `not pushed yet: ${ids} (${errorText(error)}); the next start does it`, {
      event: 'not-pushed',
    });
  }
}
