import type { AskedTask } from '../../protocol/queue.js';
import type { GenerateSettings } from '../agent-options.js';
import { isBackendName, withPrivateAddress } from '../backends/backends.js';
import type { TaskLimits } from './seen-task.js';

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

  #version = 0;

  constructor(settings: GateSettings) {
    this.#settings = settings;
  }

  /** Another number each time that a task may be taken which could not be before, or the other way round. */
  get version(): number {
    return this.#version;
  }

  /** Whether there may be open tasks that this agent may not take. */
  get isChoosing(): boolean {
    return this.#settings.afterMs !== null || this.#forbidden.size > 0;
  }

  /** Whether this open task may be taken now. */
  mayTake(task: string): boolean {
    return this.mayEverTake(task) && (this.#settings.afterMs === null || this.#admitted.has(task));
  }

  /** Whether this open task may be taken now or later. */
  mayEverTake(task: string): boolean {
    const { limitsOf, generate, afterMs, onLeft } = this.#settings;
    if (this.#forbidden.has(task)) return false;
    const why = (afterMs === null ? forbiddenHere : forbiddenToStandby)(limitsOf(task), generate);
    if (why === null) return true;
    this.forbid(task);
    onLeft(task, why);
    return false;
  }

  /** The server was asked at `askedMs`, and these tasks were open then. */
  asked(tasks: Iterable<AskedTask>, askedMs: number): void {
    const known = this.#forbidden.size + this.#admitted.size + this.#tried.size;
    if (known === 0 && this.#settings.afterMs === null) return;
    const open = new Map(Array.from(tasks, (task) => [task.id, task]));
    for (const kept of [this.#forbidden, this.#admitted, this.#tried])
      for (const id of kept.keys()) if (!open.has(id)) kept.delete(id);
    if (this.#settings.afterMs === null) return;
    for (const [id, task] of open)
      if (!this.#admitted.has(id) && this.mayEverTake(id) && this.#dueMs(task) <= askedMs) {
        this.#admitted.add(id);
        this.#version += 1;
      }
  }

  /**
   * How long until the server is to be asked about the next task; Infinity where none waits for its time.
   * Milliseconds.
   */
  nextInMs(tasks: Iterable<AskedTask>, nowMs: number): number {
    let dueMs = Number.POSITIVE_INFINITY;
    if (this.#settings.afterMs === null) return dueMs;
    for (const task of tasks)
      if (this.mayEverTake(task.id) && !this.#admitted.has(task.id))
        dueMs = Math.min(dueMs, this.#dueMs(task));
    return Math.max(0, dueMs - nowMs);
  }

  /** This standby could not answer the task. */
  triedInVain(task: string, nowMs: number): void {
    const { afterMs } = this.#settings;
    const times = (this.#tried.get(task)?.times ?? 0) + 1;
    this.#tried.set(task, { times, againMs: nowMs + (afterMs ?? 0) * 2 ** (times - 1) });
    this.#admitted.delete(task);
    this.#version += 1;
  }

  /** A task turned out to forbid all model servers of this agent. */
  forbid(task: string): void {
    this.#forbidden.add(task);
    this.#version += 1;
  }

  #dueMs({ id, askedAtMs }: AskedTask): number {
    return this.#tried.get(id)?.againMs ?? askedAtMs + (this.#settings.afterMs ?? 0);
  }
}

/**
 * A task forbids every model server that this agent could ask. This is no answer: another agent may have a
 * server that it allows, so the task is left pending.
 */
export class ForbiddenHere extends Error {
  override readonly name = 'ForbiddenHere';
}

/**
 * The settings by which a task is generated: for one that no third party may read, no model but those that
 * run here, at private addresses. Throws ForbiddenHere where none is left.
 */
export function allowedSettings(limits: TaskLimits, settings: GenerateSettings): GenerateSettings {
  const why = forbiddenHere(limits, settings);
  if (why !== null) throw new ForbiddenHere(why);
  if (limits.local_only !== true) return settings;
  return { ...settings, order: withPrivateAddress(settings.order, settings), allowCloud: false };
}

/**
 * Why this agent may not take a task, to follow `left:`; null where it may. A task that says `local_only`
 * goes to private addresses only; where it also names a `backend`, only to that one.
 */
function forbiddenHere({ backend, local_only }: TaskLimits, settings: GenerateSettings): string | null {
  if (local_only !== true) return null;
  // A backend that this version does not know is answered with `unknown_backend`.
  if (backend !== undefined && !isBackendName(backend)) return null;
  const order = backend === undefined ? settings.order : [backend];
  return withPrivateAddress(order, settings).length > 0
    ? null
    : 'no third party may read it, and no model server of this agent has a private address';
}

/** As forbiddenHere, for a standby: it also leaves a task that names a backend which is not in its order. */
function forbiddenToStandby(limits: TaskLimits, settings: GenerateSettings): string | null {
  const { backend } = limits;
  const isOther = backend !== undefined && !settings.order.some((name) => name === backend);
  return isOther ? `it is for ${backend} alone` : forbiddenHere(limits, settings);
}
