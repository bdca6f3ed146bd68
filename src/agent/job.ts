import type { AskedTask, CancelledTask } from '../protocol/queue.js';

/** A task that is being answered, from its start until its answer is kept. */
export class Job {
  readonly asked: AskedTask;
  /** By a clock that never jumps. Milliseconds. */
  readonly startedAtMs = performance.now();
  /** Aborts when the task is to be left as it is: another agent has it, or this one ends. */
  readonly signal: AbortSignal;
  /** Aborts when no model is to work on it any more: whenever `signal` does, and when it is cancelled. */
  readonly generating: AbortSignal;
  /** Aborts when it is cancelled. */
  readonly cancelling: AbortSignal;
  readonly #end: AbortSignal;
  readonly #dropped = new AbortController();
  readonly #cancelled = new AbortController();
  #cancel: CancelledTask | null = null;
  #isGenerated = false;
  #isAhead: boolean;

  /** `end` aborts when the agent ends. `isAhead`: it is claimed before there is room for it at a model. */
  constructor(asked: AskedTask, end: AbortSignal, isAhead = false) {
    this.#isAhead = isAhead;
    this.asked = asked;
    this.#end = end;
    this.signal = AbortSignal.any([end, this.#dropped.signal]);
    this.cancelling = this.#cancelled.signal;
    this.generating = AbortSignal.any([this.signal, this.cancelling]);
  }

  /** Whether a model works on it, or is about to. */
  get takesRoom(): boolean {
    return !this.#isAhead && !this.isToKeep;
  }

  /** Whether no model works on it any more, or none is to: only its answer is still to be kept. */
  get isToKeep(): boolean {
    return this.#isGenerated || this.#cancel !== null;
  }

  /** Whether there is no room for it yet. */
  get isAhead(): boolean {
    return this.#isAhead;
  }

  /** There is room for it now. */
  entered(): void {
    this.#isAhead = false;
  }

  /** The cancel of the task; null as long as there is none. */
  get cancel(): CancelledTask | null {
    return this.#cancel;
  }

  /**
   * Leaves the task as it is: another agent has it, it is left to others, or its time is over. Returns false
   * where the job was ending already.
   */
  drop(why: string): boolean {
    if (this.#dropped.signal.aborted || this.#end.aborted) return false;
    this.#dropped.abort(new Error(why));
    return true;
  }

  /** Nobody wants the answer any more. The first cancel stays. */
  cancelled(cancel: CancelledTask): void {
    if (this.#cancel !== null) return;
    this.#cancel = cancel;
    this.#cancelled.abort(new Error('the task was cancelled'));
  }

  /** The model is done with it; its answer is to be kept. */
  generated(): void {
    this.#isGenerated = true;
  }
}
