import type { AgentLog } from '../../agent/agent-options.js';
import { outlast } from '../../agent/outlast.js';
import type { BridgeView } from '../../bridge/bridge-view.js';
import { type BridgeAccess, openDoorbell } from '../../bridge/connection.js';
import { createNotifier } from '../../bridge/notifier.js';
import { openBridgeView } from '../../bridge/open-bridge-view.js';
import { readRef } from '../../git/refs.js';
import { giveBackMemory } from '../../process/give-back-memory.js';
import { runShellLine } from '../../process/run-shell-line.js';
import { timeLimit } from '../../process/time-limit.js';
import { errorText } from '../../protocol/bridge-error.js';
import { shortId } from '../../protocol/names.js';
import { sendMagicPackets, type WakeTarget } from './magic-packet.js';
import { readNeed, type UnattendedTask } from './unattended.js';
import { NO_TRIES, planWake } from './wake-plan.js';
import { WakingRecord } from './waking-record.js';

/**
 * How often a bridge is looked at where nothing rings: it has no doorbell, or the server is away.
 * Milliseconds.
 */
const POLL_MS = 60_000;

/**
 * When nothing has waited for this long, it ends the shared connection and gives memory back, because it may
 * wait for days. Questions that follow one another have one connection, and leave one heap to collect.
 * Milliseconds.
 */
const REST_AFTER_MS = 5_000;

/** A command that wakes a PC is done within this time. Milliseconds. */
const COMMAND_MS = 5 * 60_000;

/** What `status` is to show is given up where the server does not take it within this time. Milliseconds. */
const SAY_MS = 20_000;

/** How a PC is woken, and for which bridge. */
export interface WakeOptions {
  readonly access: BridgeAccess;
  /** Null: no packet is sent. */
  readonly target: WakeTarget | null;
  /** A line for the shell of the system; null: none is run. */
  readonly command: string | null;
  readonly log: AgentLog;
  /** Aborted: it ends. */
  readonly signal: AbortSignal;
}

/**
 * Wakes the PC that can answer what waits on a bridge, until the signal aborts. While nothing waits it only
 * listens to the doorbell, and asks the server nothing. Where a task waits and no agent that could answer it
 * is there, it sends the packet and runs the command, and again with doubling waits. Throws BridgeError for
 * what a person has to mend.
 */
export async function runWake(options: WakeOptions): Promise<void> {
  const { access, log, signal } = options;
  const notifier = createNotifier();
  const outlasting = { log, signal, once: false, hurry: notifier };
  const opening = outlast(() => openBridgeView(access, 'window', { signal }), outlasting);
  const view = await opening.catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
  if (view === null) return;
  const waker = new Waker(options, view);
  /** Main as of the last look. */
  let known = await readRef(view.repo, view.ref);
  let againMs: number | null = null;
  let isNews = true;
  let isResting = false;
  const ring = (tip?: string) => {
    // A ring without a tip is an agent that is new or has handed a task back: no news while no task is open.
    // Nor is it news that the doorbell repeats its newest line whenever it has connected.
    if (tip === undefined ? againMs !== null : tip !== known) isNews = true;
    notifier.ring();
  };
  // One ssh waits, in place of the two of a shared connection.
  const doorbell = openDoorbell(view.connection, { ring }, { alone: true });
  try {
    log('info', `watching ${access.repo}`, { event: 'connected' });
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (isNews) {
        isNews = false;
        isResting = false;
        const lookAgain = async () => {
          if (!isFirst) await view.refresh({ sideRefs: true, signal });
          // Read before the look: what comes meanwhile is news.
          known = await readRef(view.repo, view.ref);
          return await waker.look();
        };
        // A task with a photo is fetched to see whom it waits for, and the server may be gone by then.
        againMs = await outlast(() => view.mended(lookAgain, signal), outlasting);
      }
      const mayRest = againMs === null && !isResting;
      const isRungFor = againMs === null && doorbell.connected();
      const pollMs = isRungFor ? Number.POSITIVE_INFINITY : Math.min(againMs ?? POLL_MS, POLL_MS);
      if (isNews || (await notifier.wait(mayRest ? REST_AFTER_MS : pollMs, signal)) === 'rung') continue;
      if (mayRest) {
        isResting = true;
        await view.connection.ssh?.shared?.rest();
        await giveBackMemory(0);
      } else isNews = true;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await doorbell.close();
    await view.close();
  }
}

/** Looks at the bridge as of the last fetch, and wakes. */
class Waker {
  readonly #options: WakeOptions;
  readonly #record: WakingRecord;
  #tries = NO_TRIES;
  #isWaking = false;
  #hasObstacle = false;

  constructor(
    options: WakeOptions,
    private readonly view: BridgeView,
  ) {
    this.#options = options;
    this.#record = new WakingRecord(view);
  }

  /** After how long to look again without a ring; null: not until something happens. Milliseconds. */
  async look(): Promise<number | null> {
    const { log } = this.#options;
    const need = await readNeed(this.view, this.#options.signal);
    const { unattended, pending } = need;
    const asked = { task: unattended?.task ?? null, waits: (task: string) => pending.has(task) };
    const { wake, tries, againMs } = planWake(this.#tries, asked, performance.now());
    const wasWaking = this.#isWaking;
    this.#tries = tries;
    this.#isWaking = unattended !== null && (wake || wasWaking);
    if (wake && unattended !== null) await this.#wake(unattended);
    if (wasWaking && unattended === null) {
      log('info', 'an agent is there, or nothing waits any more', { event: 'woken' });
      await this.#say((signal) => this.#record.watching(signal));
    }
    if (againMs === null) return need.changesInMs;
    return Math.min(againMs, need.changesInMs ?? againMs);
  }

  async #wake({ task, agents }: UnattendedTask): Promise<void> {
    const { log, target, command, access, signal } = this.#options;
    const whom = agents.length === 0 ? 'an agent' : agents.join(', ');
    const nth = this.#tries.count === 1 ? '' : `, try ${this.#tries.count}`;
    log('info', `task ${shortId(task)} waits: waking ${whom}${nth}`, { event: 'waking', task });
    await this.#say((inTime) => this.#record.waking(task, inTime));
    if (target !== null) {
      const failed = await sendMagicPackets(target).then(() => null, errorText);
      if (failed !== null) log('warn', failed, { event: 'not-sent' });
    }
    if (command !== null) {
      const run = { env: access.env, timeoutMs: COMMAND_MS, signal };
      const failed = await runShellLine(command, run);
      if (failed !== null) log('warn', `--command ${failed}`, { event: 'command-failed' });
    }
  }

  /** Says something for `status`. Where that fails, it is only logged. */
  async #say(word: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { log, signal } = this.#options;
    const obstacle = await this.#record.obstacle();
    if (obstacle !== null) {
      if (!this.#hasObstacle)
        log('warn', `status will not show who is woken: ${obstacle}`, { event: 'not-said' });
      this.#hasObstacle = true;
      return;
    }
    await word(timeLimit(SAY_MS, signal)).catch((error: unknown) => {
      log('warn', `status does not show this: ${errorText(error)}`, { event: 'not-said' });
    });
  }
}
