import type { SshOptions } from '../bridge/ssh-settings.js';
import type { BackendName, OpenSettings } from './backends/backends.js';
import type { IdleGroup } from './idle-group.js';
import type { ModelRoom } from './model-room.js';

/** How important a line of the agent is to a person. */
export type LogLevel = 'info' | 'warn' | 'error';

/**
 * What a line is about, for programs. `event` is one of: `connected`, `task-started`, `task-note`,
 * `task-answered`, `task-failed` (answered with an error), `task-lost` (no answer at all), `task-dropped`
 * (another has it, it is left to others, or time is up), `task-left` (this agent may not take it),
 * `answer-refused`, `retrying`, `recovered`, `clock`, `name`, `locked`, `clone-busy` (a killed agent's git
 * still works in the clone), `clone-mended`, `bridge-repaired`, `models`, `idle`, `command-failed`,
 * `stopping`, `not-pushed`, `bridge-failed` (of several, one ended; the others go on). The other fields
 * depend on it; ids are whole, times are milliseconds. Some lines have no fields.
 */
export interface LogFields {
  readonly event: string;
  readonly [field: string]: string | number | boolean | null;
}

/** Called with what the agent does, as a line of text and as fields: never a prompt, never an answer. */
export type AgentLog = (level: LogLevel, text: string, fields?: LogFields) => void;

/** Called with every piece of text that a model says, thinking included, as it comes. */
export type OnTaskText = (task: string, text: string) => void;

/** All an agent needs to know. */
export interface AgentOptions {
  /** `ssh://…`, `user@host:path`, or a local path. */
  readonly repo: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ssh: SshOptions | undefined;
  /** The name to answer in, where the bridge knows no name of our key. Default: the host name. */
  readonly name: string | undefined;
  /** Default: a folder for this bridge, where the system keeps programs' data. */
  readonly stateDir: string | undefined;
  readonly generate: GenerateSettings;
  /** How many tasks to generate at once, on all bridges together. */
  readonly parallel: number;
  /** How much room its models have. All bridges of an agent share it. */
  readonly room: ModelRoom;
  /**
   * Whether this is the first bridge of an agent. What concerns the whole agent is said by that one alone.
   */
  readonly isFirst: boolean;
  /** Lets the bridges of one agent agree that there is nothing to do. */
  readonly idleGroup: IdleGroup;
  /**
   * How often to look where there is no doorbell, at first; it backs off to ten times that. Milliseconds.
   */
  readonly pollMs: number;
  /** Answer what is pending, then end. */
  readonly once: boolean;
  /**
   * How long a task must have waited before this agent, a standby, takes it. Null: it is no standby.
   * Milliseconds.
   */
  readonly afterMs: number | null;
  /** The version of llm-bridge, for those who list the agents. */
  readonly version: string;
  readonly log: AgentLog;
  readonly onText: OnTaskText | undefined;
  /** Called when there has been nothing to do for a while. */
  readonly onRest: (() => void) | undefined;
  /** How long that is. Milliseconds. */
  readonly restAfterMs: number;
  /** A command that is run when nothing was pending for `afterMs`: it may let the PC sleep. Null: none. */
  readonly idle: { readonly afterMs: number; readonly command: string } | null;
  /** Aborted: the running generations are dropped, finished answers are pushed, then it ends. */
  readonly signal: AbortSignal;
}

/**
 * Default of the idle deadline: 20 minutes without a token. A large model loaded from a slow disk, or a long
 * prompt on a CPU, may take 10 before its first one.
 */
export const DEFAULT_IDLE_TIMEOUT_MS = 20 * 60_000;

/**
 * Default of the total deadline: 30 minutes, because a person looks again by then. At ten tokens a second
 * that is an answer of 18,000 tokens. A task that needs more says so (`timeout_s`).
 */
export const DEFAULT_TOTAL_TIMEOUT_MS = 30 * 60_000;

/** Default of how long a model server may be away: 5 minutes, a PC's restart with its updates. */
export const DEFAULT_RETRY_WINDOW_MS = 5 * 60_000;

/** How an agent generates, whatever the task. */
export interface GenerateSettings extends OpenSettings {
  /** The backends to try, the preferred one first. A task that names its backend gets that one alone. */
  readonly order: readonly BackendName[];
  /** For tasks that name no model. Default: what `chooseModel` finds. */
  readonly model?: string | undefined;
  /** Fields that API calls may have beside the listed ones. Default: none. */
  readonly passFields?: readonly string[] | undefined;
  /** The longest silence of a model. */
  readonly idleTimeoutMs: number;
  /** The longest time for one task in all, where the task has no `timeout_s`. */
  readonly totalTimeoutMs: number;
  /** How long unreachable backends are tried again; 0 is once. */
  readonly retryWindowMs: number;
  /** The shortest wait between two tries; it doubles, with jitter, up to 15 times this. Default 1000. */
  readonly retryDelayMs?: number;
  /**
   * The most that is taken of one answer, thinking included, in bytes of UTF-8. A model that runs on past it
   * is stopped. Default: DEFAULT_MAX_ANSWER_BYTES.
   */
  readonly maxAnswerBytes?: number;
  /** Called with the phase of a task each time it changes, and with the model once it is chosen. */
  readonly onPhase?: (phase: WorkPhase, model?: string) => void;
}

/**
 * The phase of a task: `waiting` until a model is asked, and while model servers are away or busy, `loading`
 * from the request to the first token, then `generating`.
 */
export type WorkPhase = 'waiting' | 'loading' | 'generating';
