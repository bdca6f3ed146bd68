import type { SshOptions } from '../remote/ssh-settings.js';
import type { GenerateSettings } from './generate-settings.js';

/** How important a line of the agent is to a person. */
export type LogLevel = 'info' | 'warn' | 'error';

/** Told what the agent does, in lines of text: never a prompt, never an answer. */
export type AgentLog = (level: LogLevel, text: string) => void;

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
  /** Aborted: the running generations are dropped, finished answers are pushed, then it ends. */
  readonly signal: AbortSignal;
}
