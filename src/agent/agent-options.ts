import type { SshOptions } from '../bridge/ssh-settings.js';
import type { GenerateSettings } from './generate/generate-settings.js';

/** How important a line of the agent is to a person. */
export type LogLevel = 'info' | 'warn' | 'error';

/**
 * What a line is about, for programs. `event` is one of: `connected`, `task-started`, `task-note`, `task-answered`,
 * `task-failed` (answered with an error), `task-lost` (no answer at all), `task-dropped` (another has it, or time is up), `answer-refused`, `retrying`, `recovered`, `clock`, `name`, `locked`,
 * `clone-mended`, `stopping`, `not-pushed`. The other fields depend on it; ids are whole, times are milliseconds.
 */
export interface LogFields {
  readonly event: string;
  readonly [field: string]: string | number | boolean | null;
}

/** Told what the agent does, in lines of text, and in fields where there are any: never a prompt, never an answer. */
export type AgentLog = (level: LogLevel, text: string, fields?: LogFields) => void;

/** Told of every piece of text that a model says, thinking included, as it comes. */
export type OnTaskText = (task: string, text: string) => void;

/** All an agent needs to know. */
export interface AgentOptions {
  /** `ssh://…`, `user@host:path`, or a local path. */
  readonly repo: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ssh?: SshOptions;
  /** Who answers, where no key says it. Default: the host name. */
  readonly name?: string;
  /** Default: a folder of this bridge's own where the system keeps programs' data. */
  readonly stateDir?: string;
  readonly generate: GenerateSettings;
  /** How many tasks to generate at once. */
  readonly parallel: number;
  /** How often to look where there is no doorbell, at first; it backs off to ten times that. Milliseconds. */
  readonly pollMs: number;
  /** Answer what is pending, then end. */
  readonly once: boolean;
  /** Of llm-bridge, for those who look which agents there are. */
  readonly version: string;
  readonly log: AgentLog;
  readonly onText?: OnTaskText;
  /** Aborted: the running generations are dropped, finished answers are pushed, then it ends. */
  readonly signal: AbortSignal;
}
