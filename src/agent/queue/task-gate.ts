import type { AskedTask } from '../../protocol/queue.js';
import type { GenerateSettings } from '../agent-options.js';
import { forbiddenHere, forbiddenToStandby, type TaskLimits } from '../generate/local-only.js';

/** What a gate needs. */
export interface GateSettings {
  readonly generate: GenerateSettings;
  /** Null: tasks are taken as they come. Milliseconds. */
  readonly afterMs: number | null;
  /** The fields of a pending task that may forbid it to an agent. */
  readonly limitsOf: (task: string) => TaskLimits;
  /** Called once for each task that is left, with the reason. */
  readonly onLeft: (task: string, why: string) => void;
}

/**
 * Which of the pending tasks an agent may take: none that forbids all its model servers. A standby takes a
 * task only once it has waited for `afterMs`, and the server, asked after that, still had it open. A task
 * that a standby cannot answer is left pending, because the agent that is waited for may do better. The
 * standby tries it again after `afterMs`, and after each further try waits twice as long. Times are
 * milliseconds since the epoch, by the server's clock.
 */
export class TaskGate {
  readonly #settings: GateSettings;
  /** Tasks that no model server of this agent may get. */
  readonly #forbidden = new Set<string>();
  /** For a standby: tasks whose time has come, and that were still open then. */
  readonly #admitted = new Set<string>();
  /** For a standby: tasks that it could not answer, with the time of the next try. */
  readonly #tried = new Map<string, { readonly times: number; readonly againMs: number }>();

  constructor(settings: GateSettings) {
    this.#settings = settings;
  }

  /** Those of the open tasks that may be taken now, in their order. */
  open(tasks: readonly AskedTask[]): AskedTask[] {
    return tasks.filter(({ id }) => this.mayTake(id));
  }

  /** Whether one of them may be taken now. */
  mayTake(task: string): boolean {
    return this.#isAllowed(task) && (this.#settings.afterMs === null || this.#admitted.has(task));
  }

  /** Those that may be taken now or later. */
  allowed(tasks: readonly AskedTask[]): AskedTask[] {
    return tasks.filter(({ id }) => this.#isAllowed(id));
  }

  /** The server was asked at `askedMs`, and these tasks were open then. */
  asked(tasks: readonly AskedTask[], askedMs: number): void {
    const known = this.#forbidden.size + this.#admitted.size + this.#tried.size;
    if (known === 0 && this.#settings.afterMs === null) return;
    const ids = new Set(tasks.map(({ id }) => id));
    for (const kept of [this.#forbidden, this.#admitted, this.#tried])
      for (const id of kept.keys()) if (!ids.has(id)) kept.delete(id);
    if (this.#settings.afterMs === null) return;
    for (const task of this.allowed(tasks)) if (this.#dueMs(task) <= askedMs) this.#admitted.add(task.id);
  }

  /**
   * How long until the server is to be asked about the next task; Infinity where none waits for its time.
   * Milliseconds.
   */
  nextInMs(tasks: readonly AskedTask[], nowMs: number): number {
    if (this.#settings.afterMs === null) return Number.POSITIVE_INFINITY;
    const waiting = this.allowed(tasks).filter(({ id }) => !this.#admitted.has(id));
    return Math.max(0, Math.min(...waiting.map((task) => this.#dueMs(task))) - nowMs);
  }

  /** This standby could not answer the task. */
  triedInVain(task: string, nowMs: number): void {
    const { afterMs } = this.#settings;
    const times = (this.#tried.get(task)?.times ?? 0) + 1;
    this.#tried.set(task, { times, againMs: nowMs + (afterMs ?? 0) * 2 ** (times - 1) });
    this.#admitted.delete(task);
  }

  /** A task turned out to forbid all model servers of this agent. */
  forbid(task: string): void {
    this.#forbidden.add(task);
  }

  #isAllowed(task: string): boolean {
    const { limitsOf, generate, afterMs, onLeft } = this.#settings;
    if (this.#forbidden.has(task)) return false;
    const why = (afterMs === null ? forbiddenHere : forbiddenToStandby)(limitsOf(task), generate);
    if (why === null) return true;
    this.#forbidden.add(task);
    onLeft(task, why);
    return false;
  }

  #dueMs({ id, askedAtMs }: AskedTask): number {
    return this.#tried.get(id)?.againMs ?? askedAtMs + (this.#settings.afterMs ?? 0);
  }
}
