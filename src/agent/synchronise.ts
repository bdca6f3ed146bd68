import { BridgeError } from '../protocol/bridge-error.js';
import type { QueueState } from '../protocol/queue.js';
import { updateClone } from '../bridge/clone.js';
import { type AgentSession, type Due, setDue } from './agent-session.js';
import { dropFinished } from './clone/finished-answers.js';
import { learnTerms } from './learn-terms.js';
import { showsNothingNew } from './look.js';
import { pushFinished } from './push-finished.js';

/** So many pushes turned away with no other push in between are not bad luck: main cannot be moved. */
const MAX_LOST_ON_ONE_TIP = 5;

/**
 * Brings clone and server together:
 * 1. ask the server who we are and by which rules, where that is not known, or our clock was set since;
 * 2. fetch main, and who works on what, if it may have moved; where nothing says so, look first whether it has;
 * 3. let go of finished answers that nobody waits for any more;
 * 4. push the others on top of main; where another push came first, go back to 2.
 * Throws BridgeError: `retryable` where it is enough to call again.
 */
export async function synchronise(session: AgentSession, signal: AbortSignal): Promise<void> {
  if (session.clock.jumped()) session.terms = null;
  if (session.terms === null) await learnTerms(session, signal);
  let lost = { tip: '', times: 0 };
  for (;;) {
    const terms = session.terms;
    if (terms === null) return synchronise(session, signal);
    const clock = { nowMs: session.serverNow(), ttlMs: terms.taskTtlMs };
    const sideRefs = session.claims.active();
    // Our own pushes ring as well, and bring nothing new.
    const hasMoved = session.rungTip !== null && session.rungTip !== session.tip;
    let { tip } = session;
    const due = tip === null || hasMoved ? 'fetch' : session.due;
    const fetched = due === null ? null : await askServer(session, due, { ...clock, sideRefs }, signal);
    tip = fetched ?? tip;
    if (tip === null) throw new Error('a fetch ended and main is not known');
    [session.queue] = await Promise.all([
      readQueue(session, tip, { ...clock, maxTaskBytes: terms.maxTaskBytes }),
      fetched !== null && sideRefs ? session.claims.fetched() : undefined,
    ]);
    await letGo(session);
    if (session.finished.length === 0) return;
    if ((await pushFinished(session, tip, signal)) !== 'raced') continue;
    lost = { tip, times: lost.tip === tip ? lost.times + 1 : 1 };
    if (lost.times >= MAX_LOST_ON_ONE_TIP) throw stuckMain(session.door.address.url);
  }
}

/** Fetches and answers the tip; null where `due` is no more than a look, and that showed nothing new. */
async function askServer(
  session: AgentSession,
  due: Due,
  asked: { readonly nowMs: number; readonly ttlMs: number; readonly sideRefs: boolean },
  signal: AbortSignal,
): Promise<string | null> {
  // Cleared first: a ring meanwhile is about something that this fetch may have missed.
  session.due = null;
  session.rungTip = null;
  session.claims.asking();
  try {
    const deepen = session.deepening.due();
    const shorten = deepen === undefined && (await session.tender.isDue());
    const isLook = due === 'look' && deepen === undefined && !shorten;
    if (isLook && (await showsNothingNew(session, asked.sideRefs, signal))) {
      session.claims.unchanged();
      return null;
    }
    // What reads the new commits is started while they are on their way: they come in a pack.
    session.reader.warm();
    const tip = await updateClone(session.clone, session.door, { ...asked, shorten, deepen }, signal);
    session.tip = tip;
    // Nobody waits for it: it is a git of its own, and what it finds in use stays.
    if (shorten) void session.tender.tend(signal);
    if (deepen !== undefined) session.deepening.fetched();
    return tip;
  } catch (error) {
    setDue(session, due);
    throw error;
  }
}

/** The queue as of `tip`, what is pending in the order in which it is to be answered. */
async function readQueue(
  session: AgentSession,
  tip: string,
  terms: { readonly nowMs: number; readonly ttlMs: number; readonly maxTaskBytes: number },
): Promise<QueueState> {
  const queue = await session.view.update(tip, terms);
  return { ...queue, pending: await session.priority.order(queue.pending, terms.maxTaskBytes) };
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

function stuckMain(url: string): BridgeError {
  return new BridgeError(`main of ${url} cannot be moved, and nobody else moves it`, {
    code: 'stuck-lock',
    remedy: 'if no git runs on the server, remove the left-over refs/heads/main.lock in the bridge',
    retryable: true,
  });
}
