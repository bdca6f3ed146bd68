import type { BridgeConnection } from '../../bridge/connection.js';
import { repairBridge } from '../../git/repair-bridge.js';
import type { Repository } from '../../git/run-git.js';
import { BridgeError, type BridgeErrorCode } from '../../protocol/bridge-error.js';
import type { AgentOptions } from '../agent-options.js';
import type { AgentSession } from '../agent-session.js';
import type { QueueView } from '../queue/queue-view.js';
import { ForbiddenHere } from '../queue/task-gate.js';
import type { CloneReader } from './clone-reader.js';
import { keepFinished } from './finished-answers.js';
import { clearLeftLocks, isSound, replaceClone } from './own-clone.js';

/**
 * Failures with these codes come from the other side, or pass: they say nothing about the clone.
 * `history-rewritten` is not among them, because to a clone that lost the edge of its history, new commits
 * look like another history. Only a sound clone is believed.
 */
const NOT_THE_CLONE: ReadonlySet<BridgeErrorCode> = new Set([
  ...(['ssh-auth', 'ssh-host', 'ssh-host-key', 'ssh-identity', 'unreachable'] as const),
  ...(['refused', 'rejected', 'protocol', 'role', 'no-main', 'other-owner', 'not-a-bridge'] as const),
  ...(['no-git', 'stuck-lock', 'disk-full', 'server-damaged'] as const),
]);

/** A clone, all that reads it, and the bridge that it is of. */
export interface RepairContext {
  readonly options: AgentOptions;
  readonly connection: BridgeConnection;
  readonly clone: Repository;
  readonly reader: CloneReader;
  readonly queue: QueueView;
  readonly session: AgentSession;
}

/**
 * Runs steps on the clone, and repairs the clone where a step fails because of it. A running generation goes
 * on meanwhile, and its answer is kept in the new clone.
 */
export class CloneRepair {
  readonly #context: RepairContext;
  #repairing: Promise<boolean> | null = null;
  /** Counts each beginning and each end of a repair. */
  #turns = 0;
  /**
   * Whether the clone was examined since the last success: a long outage must not read all of it once a
   * minute.
   */
  #isLookedAt = false;
  /** The same for a bridge on this machine. */
  #isBridgeRepaired = false;

  constructor(context: RepairContext) {
    this.#context = context;
  }

  /**
   * Does a step; once more after a repair where it fails for a left-over lock or a damaged clone, and again
   * where a repair for another step went on meanwhile: that closes the reader, and may take the clone away.
   * What a step fails with once `signal` aborts says nothing about the clone.
   */
  async run<T>(step: () => Promise<T>, signal = this.#context.options.signal): Promise<T> {
    const before = this.#turns;
    try {
      return await this.#running(step);
    } catch (error) {
      if (signal.aborted || this.#context.options.signal.aborted) throw error;
      if (await this.#repairLocalBridge()) return await step();
      if (!mayBeTheClone(error)) throw error;
      if (this.#repairing !== null || this.#turns !== before) {
        await this.#repairing;
        return await this.run(step, signal);
      }
      if (this.#isLookedAt) throw error;
      this.#isLookedAt = true;
      if (!(await this.#repair())) throw error;
      return await this.#running(step);
    }
  }

  /** True where there was something to repair. */
  #repair(): Promise<boolean> {
    this.#turns += 1;
    this.#repairing = repairClone(this.#context).finally(() => {
      this.#turns += 1;
      this.#repairing = null;
    });
    return this.#repairing;
  }

  async #running<T>(step: () => Promise<T>): Promise<T> {
    const value = await step();
    this.#isLookedAt = false;
    this.#isBridgeRepaired = false;
    return value;
  }

  /** A bridge on this machine is repaired here; elsewhere its forced command does that. */
  async #repairLocalBridge(): Promise<boolean> {
    const { connection, options } = this.#context;
    const { address, env } = connection;
    if (address.kind !== 'local' || this.#isBridgeRepaired) return false;
    this.#isBridgeRepaired = true;
    const done = await repairBridge({ gitDir: address.url, env }).catch(() => []);
    for (const text of done) options.log('warn', `${text} (in the bridge)`, { event: 'bridge-repaired' });
    return done.length > 0;
  }
}

function mayBeTheClone(error: unknown): boolean {
  if (error instanceof ForbiddenHere) return false;
  if (!(error instanceof BridgeError)) return true;
  // A connection that broke may have broken at our end: a pack that cannot be read ends a push.
  return !NOT_THE_CLONE.has(error.code) && !error.code.startsWith('refused-');
}

/** True where there was something to repair. */
async function repairClone({ options, clone, reader, queue, session }: RepairContext): Promise<boolean> {
  reader.renew();
  if (await clearLeftLocks(clone.gitDir)) {
    options.log('warn', 'removed a lock that a killed git had left in the clone', { event: 'clone-mended' });
    return true;
  }
  if (await isSound(clone)) return false;
  options.log('warn', `the clone ${clone.gitDir} is damaged; making a new one`, { event: 'clone-mended' });
  await replaceClone(clone);
  reader.renew();
  queue.restart();
  session.lostClone();
  // An answer that this process knows may have been unreadable in the damaged clone.
  for (const one of session.unpushed.all) await keepFinished(clone, one.answer);
  return true;
}
