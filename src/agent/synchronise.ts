import { connectBridge } from '../bridge/connection.js';
import { updateClone } from '../bridge/update-clone.js';
import { listRemoteRefs } from '../git/fetch.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import { dropFinished } from './clone/finished-answers.js';
import { learnTerms } from './learn-terms.js';
import type { AgentContext } from './open-agent.js';
import { pushAnswers } from './push-answers.js';

/**
 * After this many pushes that lost a race although main did not move, it is clear that main cannot be moved.
 */
const MAX_LOST_ON_ONE_TIP = 5;

/**
 * Brings clone and server together:
 * 1. ask the server for its terms, where they are unknown or old, or our clock was set since;
 * 2. fetch main, and who works on what, if it may have moved; where nothing says so, look first whether it
 *    has;
 * 3. read the queue;
 * 4. drop finished answers that nobody waits for any more, and have `refill` start what there is room for;
 * 5. push the others on top of main, and go back to 1: the next round drops those that were pushed, and
 *    pushes again where another push came first.
 * Throws BridgeError: `retryable` where it is enough to call again.
 */
export async function synchronise(
  agent: AgentContext,
  signal: AbortSignal,
  refill: () => void = () => {},
): Promise<void> {
  try {
    await meet(agent, signal, refill);
  } catch (error) {
    // Nothing waits for pushes any more.
    agent.session.unpushed.missed();
    refill();
    throw error;
  }
}

async function meet(agent: AgentContext, signal: AbortSignal, refill: () => void): Promise<void> {
  const { session, queue, claims } = agent;
  if (agent.clock.jumped()) session.forgetTerms();
  let lost = { tip: '', times: 0 };
  for (;;) {
    const known = session.hasOldTerms() ? null : session.terms;
    const terms = known ?? (await learnTerms(agent, signal));
    const sideRefs = claims.isActive();
    const before = session.tip;
    const fetched = await fetchNews(agent, { ttlMs: terms.taskTtlMs, sideRefs }, signal);
    const tip = fetched?.tip ?? before;
    if (tip === null) throw new Error('a fetch ended and main is not known');
    greet(agent);
    const [queued] = await Promise.all([
      queue.read(tip, { ...terms, nowMs: session.serverNow() }),
      fetched?.isAll === true && sideRefs ? claims.fetched() : undefined,
    ]);
    session.queued(queued);
    await letGo(agent);
    refill();
    if (session.unpushed.count === 0) return;
    if ((await pushAnswers(agent, tip, signal)) !== 'raced') continue;
    lost = { tip, times: lost.tip === tip ? lost.times + 1 : 1 };
    if (lost.times >= MAX_LOST_ON_ONE_TIP) throw stuckMain(agent.connection.address.url);
  }
}

/** Logs the bridge and our name there, but only once main was reached: hello alone answers for any path. */
function greet({ options, connection, session }: AgentContext): void {
  const { url } = connection.address;
  const { name } = session;
  if (!session.news.isArrival(name)) return;
  options.log('info', `connected to ${url} as ${name}`, { event: 'connected', repo: url, name });
}

/**
 * Fetches main if it may have moved, and returns its tip; null where there is nothing new. `isAll`: what
 * lies beside main has come as well, as far as it is wanted.
 */
async function fetchNews(
  agent: AgentContext,
  wanted: { readonly ttlMs: number; readonly sideRefs: boolean },
  signal: AbortSignal,
): Promise<{ readonly tip: string; readonly isAll: boolean } | null> {
  const { session, claims, deepening, maintenance, nextFetch } = agent;
  const { due, isMainDue, tip: known } = session;
  if (due === null) return null;
  session.asked();
  try {
    const deepen = deepening.due();
    const shorten = deepen === undefined && (await maintenance.isDue());
    if (isMainDue && session.terms?.hasFetchAhead === true) {
      agent.reader.warm();
      // What others say of themselves does not come this way, and a finished answer is synced by itself.
      const isPlain = deepen === undefined && !shorten && session.unpushed.count === 0;
      const tip =
        known !== null && isPlain && claims.knowsNobody() ? await nextFetch.bring(known, signal) : null;
      nextFetch.expect();
      if (tip !== null) {
        session.reached(tip);
        return { tip, isAll: false };
      }
    }
    claims.tell({ type: 'asked' });
    const isLook = due === 'look' && deepen === undefined && !shorten;
    if (isLook && (await showsNothingNew(agent, wanted.sideRefs, signal))) {
      claims.tell({ type: 'unchanged' });
      return null;
    }
    // The git that will read the new commits starts while they are being fetched.
    agent.reader.warm();
    // An answer that is finished while this runs is synced when it is kept.
    const unsynced = session.unpushed.count === 0;
    const window = { ...wanted, nowMs: session.serverNow(), shorten, deepen, unsynced };
    const { ownIds } = agent.clone;
    const tip = await updateClone(agent.clone, agent.connection, window, signal);
    // The bridge has ids of the other format, so the clone was made again.
    if (agent.clone.ownIds !== ownIds) agent.reader.renew();
    session.reached(tip);
    // Not waited for: it is a git of its own, and leaves what is in use.
    if (shorten) void maintenance.run(signal);
    if (deepen !== undefined) deepening.fetched();
    return { tip, isAll: true };
  } catch (error) {
    session.wants(due);
    throw error;
  }
}

/**
 * Whether the server's main and, with `sideRefs`, what lies beside it are all as this agent knows them, its
 * own pushes included. It needs no object and no lock, and costs a quarter less than a fetch that finds
 * nothing.
 */
async function showsNothingNew(
  agent: AgentContext,
  sideRefs: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { connection, clone, session, claims } = agent;
  await connectBridge(connection, signal);
  const there = new Map(await listRemoteRefs(clone, connection.address.url, sideRefs, signal));
  const main = there.get(MAIN_REF);
  there.delete(MAIN_REF);
  return main === session.tip && (!sideRefs || isSame(there, claims.known()));
}

function isSame(there: ReadonlyMap<string, string>, known: ReadonlyMap<string, string>): boolean {
  return there.size === known.size && [...there].every(([ref, id]) => known.get(ref) === id);
}

/** Drops the finished answers whose task is answered by now, was never on main, or has run out of time. */
async function letGo({ session, clone }: AgentContext): Promise<void> {
  const gone = session.unpushed.all.map((one) => one.taskId).filter((task) => !session.isPending(task));
  await dropFinished(clone, gone);
  session.unpushed.letGo(gone);
}

function stuckMain(url: string): BridgeError {
  return new BridgeError(`main of ${url} cannot be moved, and nobody else moves it`, {
    code: 'stuck-lock',
    remedy: 'see on the server what holds it: llm-bridge doctor --repo PATH',
    retryable: true,
  });
}
