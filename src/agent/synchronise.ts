import os from 'node:os';
import { updateClone } from '../bridge/clone.js';
import { connectBridge, readTerms } from '../bridge/connection.js';
import { listRemoteRefs } from '../git/fetch.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { MAIN_REF, principalNameSchema } from '../protocol/names.js';
import type { QueueState } from '../protocol/queue.js';
import { type AgentSession, type Due, setDue } from './agent-session.js';
import { dropFinished } from './clone/finished-answers.js';
import { pushFinished } from './push-answers.js';

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
    if (lost.times >= MAX_LOST_ON_ONE_TIP) throw stuckMain(session.connection.address.url);
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
    const shorten = deepen === undefined && (await session.maintenance.isDue());
    const isLook = due === 'look' && deepen === undefined && !shorten;
    if (isLook && (await showsNothingNew(session, asked.sideRefs, signal))) {
      session.claims.unchanged();
      return null;
    }
    // What reads the new commits is started while they are on their way: they come in a pack.
    session.reader.warm();
    const tip = await updateClone(session.clone, session.connection, { ...asked, shorten, deepen }, signal);
    session.tip = tip;
    // Nobody waits for it: it is a git of its own, and what it finds in use stays.
    if (shorten) void session.maintenance.tend(signal);
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
    remedy: 'see on the server what holds it: llm-bridge doctor --repo PATH',
    retryable: true,
  });
}

/**
 * Whether the server's main and, with `sideRefs`, its claims and presences are all as this agent knows them, its own pushes included. It
 * takes no object and no lock, and a quarter less of everything than a fetch that finds nothing. Throws BridgeError as a fetch does.
 */
export async function showsNothingNew(
  session: AgentSession,
  sideRefs: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  await connectBridge(session.connection, signal);
  const there = new Map(
    await listRemoteRefs(session.clone, session.connection.address.url, sideRefs, signal),
  );
  const main = there.get(MAIN_REF);
  there.delete(MAIN_REF);
  return main === session.tip && (!sideRefs || isSame(there, session.claims.known()));
}

function isSame(there: ReadonlyMap<string, string>, known: ReadonlyMap<string, string>): boolean {
  return there.size === known.size && [...there].every(([ref, id]) => known.get(ref) === id);
}

/** A warning is due when the clocks differ by more than a person would put up with. */
const CLOCK_WARNING_MS = 2 * 60_000;

/**
 * Asks the bridge who we are there and by which rules, and takes the name of our key. Throws BridgeError `role` for an asker's key,
 * else as readTerms does.
 */
export async function learnTerms(session: AgentSession, signal: AbortSignal): Promise<void> {
  const { options, connection } = session;
  const terms = await readTerms(connection, signal);
  if (terms.principal?.role === 'asker') {
    throw new BridgeError(`the key ${terms.principal.name} has the role asker and cannot answer`, {
      code: 'role',
      remedy:
        "on the server: llm-bridge key add <name> --role agent --key FILE.pub, with a key of the agent's own",
    });
  }
  const behindMs = terms.serverNow() - Date.now();
  if (Math.abs(behindMs) > CLOCK_WARNING_MS) {
    const off = `${formatDuration(Math.abs(behindMs))} ${behindMs > 0 ? 'behind' : 'ahead of'}`;
    options.log(
      'warn',
      `the clock of this machine is ${off} the server's; answers are dated by the server's`,
      { event: 'clock', offset_ms: Math.round(behindMs) },
    );
  }
  session.name = terms.principal?.name ?? options.name ?? hostName();
  if (terms.principal !== null && options.name !== undefined && options.name !== terms.principal.name) {
    options.log(
      'warn',
      `--name ${options.name} is not used: the key is ${terms.principal.name}'s, and so are its answers`,
      { event: 'name', name: terms.principal.name },
    );
  }
  options.log('info', `connected to ${connection.address.url} as ${session.name}`, {
    event: 'connected',
    repo: connection.address.url,
    name: session.name,
  });
  session.terms = terms;
  session.serverNow = terms.serverNow;
  setDue(session, 'fetch');
}

function hostName(): string {
  const name = (os.hostname().split('.')[0] ?? '').replace(/[^A-Za-z0-9._-]/g, '-');
  return principalNameSchema.safeParse(name).success ? name : 'agent';
}
