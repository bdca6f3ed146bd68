import type { RefEnd } from '../../git/push.js';
import type { AskedTask } from '../../protocol/queue.js';

/** A task to start now. */
export interface Start {
  readonly task: AskedTask;
  /** Wait for the claim before a model is asked: another agent may well be about to take it. */
  readonly claimFirst: boolean;
}

/** A generation, as far as its claim is concerned. */
export interface Generating {
  /** Ends it, and says why. */
  readonly drop: (why: string) => void;
  /** Aborts when it has to end. */
  readonly signal: AbortSignal;
}

/**
 * Who works on what: the claims of this agent and of the others, and who is there. Decides which tasks this agent starts, claims them beside
 * the generation, and ends a generation whose claim is lost. Nothing here can keep an answer from being given.
 */
export interface Claims {
  /** Whether the bridge takes claims, as far as is known. */
  active(): boolean;
  /** The claims and presences on the server, as far as is known: ids by the names of their refs. */
  known(): ReadonlyMap<string, string>;
  /** To be called before the server is asked, by a fetch or a look. */
  asking(): void;
  /** After a fetch of claims: reads what came. */
  fetched(): Promise<void>;
  /** After a look that showed what is `known`: it is so still. */
  unchanged(): void;
  /**
   * Which of these pending tasks to start, `room` of them at most, and of those that `takesNoRoom` says as many as there are; remembers
   * when to look again for the others.
   */
  choose(free: readonly AskedTask[], room: number, takesNoRoom: (task: string) => boolean): Start[];
  /** How long until a task that is left to others may have become ours; Infinity where there is none. Milliseconds. */
  wakeInMs(): number;
  /** Whether a task is left alone for now that falls to nobody in particular soon. */
  isHoldingOff(): boolean;
  /** A generation begins. Answers false where it should not, because another has the task. */
  begin(task: string, claimFirst: boolean, job: Generating): Promise<boolean>;
  /** It has ended, whatever came of it. */
  end(task: string): void;
  /** The claims that go together with the answers to these tasks. */
  endsOf(tasks: readonly string[]): RefEnd[];
  /** They are gone. */
  ended(ends: readonly RefEnd[]): void;
  /** Stops claiming; with a signal, lets go of every claim and says goodbye, until it aborts. Never throws. */
  close(release: AbortSignal | null): Promise<void>;
}
