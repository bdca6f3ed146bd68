import { openDoorbell } from '../bridge/connection.js';
import type { Doorbell } from '../bridge/doorbell.js';
import { createNotifier, type Notifier } from '../bridge/notifier.js';
import { timeLimit } from '../process/time-limit.js';
import { errorText } from '../protocol/bridge-error.js';
import { shortId } from '../protocol/names.js';
import type { AgentOptions } from './agent-options.js';
import type { IdleMember } from './idle-group.js';
import { IdleWatch } from './idle-watch.js';
import { lookAhead } from './look-ahead.js';
import { type AgentContext, openAgent } from './open-agent.js';
import { outlast } from './outlast.js';
import { type RestWatch, watchRest } from './rest-watch.js';
import { runIdleCommand } from './run-idle-command.js';
import { synchronise } from './synchronise.js';
import { isAnyWanted } from './tasks-in-line.js';
import { warnOfModels } from './warn-of-models.js';
import { Workers } from './workers.js';

/**
 * With a doorbell, looks are only for lost rings: every minute, or more often where polls are close
 * together.
 */
const SAFETY_POLL_MS = 60_000;
const SAFETY_POLL_FACTOR = 30;

/** Without a doorbell, the wait grows after each poll that finds nothing, up to this many times `pollMs`. */
const MAX_POLL_FACTOR = 10;

/**
 * How long an agent has after an abort to push its answers and release its claims. Answers that are not
 * pushed stay in the state folder. The agent is to end within 5 s, also on a machine that takes a while to
 * end git and ssh. Milliseconds.
 */
const LAST_PUSH_MS = 3_500;

/**
 * The agent: opens what it works with (`open-agent.ts`), takes turns until its signal aborts, or with `once`
 * until nothing is pending, and ends in good order. Throws BridgeError for what a person has to mend;
 * finished answers are kept for the next run.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const failed = new AbortController();
  const agent = await openAgent(options, failed).catch((error: unknown) => {
    if (options.signal.aborted) return null;
    throw error;
  });
  if (agent === null) return;
  try {
    await answerTasks(agent, failed);
  } finally {
    await agent.close();
  }
}

/**
 * 1. Take turns until they end;
 * 2. end the workers, and close the doorbell;
 * 3. after an abort, push what is finished;
 * 4. release the claims of what is not, unless the agent failed.
 */
async function answerTasks(agent: AgentContext, failed: AbortController): Promise<void> {
  const { options } = agent;
  const workers = new Workers(agent);
  // Not waited for here: a model server that is slow to list its models holds nothing up.
  const isWarned = options.isFirst && (!options.once || options.generate.model !== undefined);
  const warned = isWarned ? warnOfModels(options, agent.signal) : null;
  const hurry = createNotifier();
  const ring = (tip?: string) => {
    agent.session.rang(tip);
    if (tip !== undefined && agent.session.due !== null && options.afterMs === null && workers.busy() === 0) {
      void lookAhead(options.generate);
      if (agent.session.terms?.hasSayAhead === true) agent.streams.expect();
    }
    hurry.ring();
    agent.notifier.ring();
  };
  const doorbell = options.once ? null : openDoorbell(agent.connection, { ring });
  const rest = watchRest(() => options.onRest?.(), options.restAfterMs);
  const idle = options.idle === null || options.once ? null : new IdleWatch(options.idle.afterMs);
  const isWorking = () => workers.busy() > 0 || agent.session.unpushed.count > 0;
  const member = options.idleGroup.join({
    isWorking,
    isRung: () => agent.session.isRung,
    askAgain: () => {
      agent.session.wants('fetch');
      agent.notifier.ring();
    },
    restart: () => idle?.restart(),
  });
  let isDone = false;
  try {
    isDone = await takeTurns(agent, { workers, doorbell, hurry, rest, idle, member });
    if (failed.signal.aborted) throw failed.signal.reason;
  } catch (error) {
    // An abort in the middle of anything is the end that was asked for, not a failure.
    if (!options.signal.aborted || failed.signal.aborted) throw failed.signal.reason ?? error;
  } finally {
    if (options.signal.aborted) options.log('info', 'stopping', { event: 'stopping' });
    failed.abort();
    rest.close();
    member.leave();
    await Promise.all([workers.ended(), warned]);
    await doorbell?.close();
    const last = timeLimit(LAST_PUSH_MS);
    // A failed agent does nothing on the server any more; its claims run out.
    const isOver = options.signal.aborted || isDone;
    await Promise.all([
      options.signal.aborted ? pushLast(agent, last) : undefined,
      agent.claims.close(isOver ? last : null),
    ]);
  }
}

/** What the turns need besides the agent. */
interface TurnContext {
  readonly workers: Workers;
  /** Null with `once`: nobody waits. */
  readonly doorbell: Doorbell | null;
  /** Rings when the server is back. */
  readonly hurry: Notifier;
  readonly rest: RestWatch;
  /** Null where there is no idle command. */
  readonly idle: IdleWatch | null;
  /** This bridge among those of the agent, all of which have to be idle. */
  readonly member: IdleMember;
}

/**
 * Takes turns until the signal aborts (false), or with `once` until nothing is pending (true). One turn:
 * 1. Start pending tasks that fall to this agent, as far as there is room (`workers.ts`, `claims/`). A
 *    worker that ends starts the next by itself.
 * 2. Bring clone and server together (`synchronise.ts`): fetch what is new, push what is finished. This is
 *    repeated while the server is away, and on a repaired clone where the clone is at fault.
 * 3. Start what that brought.
 * 4. With `once`, end where nothing is left. With an idle command, run it where there was nothing to do for
 *    its time.
 * 5. Wait for the doorbell, a finished answer, the end of another's claim, or the time to look anyway.
 */
async function takeTurns(agent: AgentContext, turn: TurnContext): Promise<boolean> {
  const { options, session, claims, gate, repair, signal } = agent;
  const { log, once } = options;
  const { workers, hurry, rest, idle, member } = turn;
  let started = 0;
  const refill = () => {
    started += workers.fill();
  };
  for (let idleTurns = 0; !signal.aborted; ) {
    workers.fill();
    started = 0;
    await outlast(() => repair.run(() => synchronise(agent, signal, refill)), { log, signal, once, hurry });
    gate.asked(session.eachOpen(), session.askedMs());
    refill();
    idleTurns = started > 0 ? 0 : idleTurns + 1;
    const isBusy = workers.busy() > 0 || session.unpushed.count > 0;
    if (once && !isBusy && !claims.isHoldingOff() && workers.queued() === null) return true;
    rest.busy(isBusy);
    const isNeeded = isBusy || isAnyWanted(agent);
    member.turn(isNeeded);
    const step = idle?.turn(isNeeded) ?? null;
    if (step === 'run') await runIdleCommand(options, turn, signal);
    if (step === 'ask') session.wants('fetch');
    else await waitForNews(agent, turn, idleTurns);
  }
  return false;
}

/** Waits, and when the time is up, sets what the next turn asks the server. */
async function waitForNews(
  { options, session, claims, gate, notifier, signal }: AgentContext,
  { doorbell, idle, member }: TurnContext,
  idleTurns: number,
): Promise<void> {
  const isHearing = doorbell?.connected() === true;
  const safetyMs = Math.min(SAFETY_POLL_MS, SAFETY_POLL_FACTOR * options.pollMs) * (1 + Math.random() / 4);
  const pollMs = options.pollMs * Math.min(2 ** idleTurns, MAX_POLL_FACTOR) * (0.75 + Math.random() / 2);
  const longestMs = isHearing ? safetyMs : pollMs;
  const dueInMs = gate.nextInMs(session.eachOpen(), session.serverNow());
  const neededMs = Math.min(longestMs, claims.wakeInMs(), dueInMs);
  const plannedMs = idle?.planWait(neededMs) ?? neededMs;
  member.waits(plannedMs);
  const outcome = await notifier.wait(plannedMs, signal);
  // Without a doorbell: a look costs a connection, as a fetch does, and what it finds would need a second.
  if (outcome === 'timeout') session.wants(isHearing ? 'look' : 'fetch');
}

/** After an abort: pushes what is finished if the server answers at once; else the next start does it. */
async function pushLast(agent: AgentContext, within: AbortSignal): Promise<void> {
  const { session, options } = agent;
  if (session.unpushed.count === 0) return;
  try {
    await synchronise(agent, within);
  } catch (error) {
    const ids = session.unpushed.all.map((one) => shortId(one.taskId)).join(', ');
    options.log('warn', `not pushed yet: ${ids} (${errorText(error)}); the next start does it`, {
      event: 'not-pushed',
    });
  }
}
