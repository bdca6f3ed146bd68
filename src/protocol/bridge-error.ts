import type { RefusalCode } from './refusal.js';

/** What went wrong, as a stable name for programs. */
export type BridgeErrorCode =
  /** The caller's own words are wrong. */
  | 'usage'
  /** Ctrl-C or SIGTERM. */
  | 'stopped'
  /** Standard output cannot be written: for example its disk is full, or its reader is gone. */
  | 'output-failed'
  | 'output-closed'
  // This machine.
  | 'disk-full'
  | 'locked'
  | 'no-git'
  | 'no-lock'
  | 'no-permission'
  | 'not-built'
  | 'old-git'
  // The connection to the server.
  | 'connection-broke'
  | 'git-failed'
  | 'git-killed'
  | 'protocol'
  | 'noisy-shell'
  | 'server-clock'
  | 'ssh-auth'
  | 'ssh-host'
  | 'ssh-host-key'
  | 'ssh-identity'
  | 'unreachable'
  // The bridge.
  | 'bad-path'
  | 'damaged-config'
  | 'history-rewritten'
  | 'missing-object'
  | 'newer-bridge'
  | 'no-main'
  | 'no-such-repository'
  | 'not-a-bridge'
  | 'older-bridge'
  | 'object-format'
  | 'other-owner'
  | 'server-damaged'
  | 'stuck-lock'
  // The server refused a push: with a code of its own hook, or with words of the forced command or of git.
  | `refused-${RefusalCode}`
  | 'refused'
  | 'rejected'
  // Asking, answering, cancelling.
  | 'answered'
  | 'busy'
  | 'expired'
  | 'failed-task'
  | 'no-such-task'
  | 'not-answered'
  | 'role'
  | 'watch-failed'
  // The log.
  | 'bad-log'
  | 'log-busy'
  | 'log-not-of-history'
  | 'no-log'
  | 'no-log-file'
  | 'open-log-folder'
  // Keys.
  | 'bad-key'
  | 'key-exists'
  | 'name-taken'
  | 'no-key-file'
  | 'no-such-key'
  | 'bad-profiles'
  | 'no-such-profile'
  | 'via-failed'
  // The gateway.
  | 'listen-failed'
  | 'no-such-token'
  | 'token-file'
  // The agent and its services.
  | 'clone-locked'
  | 'no-program'
  | 'no-service-manager'
  | 'no-session'
  | 'open-env-file'
  | 'service-exists'
  | 'service-failed'
  | 'state-folder'
  | 'state-in-use'
  // The demo.
  | 'demo-failed'
  | 'no-sshd'
  | 'ssh-keygen'
  | 'sshd-failed';

/** The fields of a BridgeError besides its message. */
export interface BridgeErrorInit {
  readonly code: BridgeErrorCode;
  /** What to do about it; the `try:` line. */
  readonly remedy: string;
  /** Whether the same call may succeed later although nobody changes anything. Default false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * An error that a person can act on: what happened (`message`, the `error:` line) and what to do
 * (`remedy`, the `try:` line). `code` is `usage` where the caller's own words are wrong; the command
 * line then exits with 2, else with 1.
 */
export class BridgeError extends Error {
  override readonly name = 'BridgeError';
  readonly code: BridgeErrorCode;
  readonly remedy: string;
  readonly retryable: boolean;

  constructor(message: string, init: BridgeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.remedy = init.remedy;
    this.retryable = init.retryable ?? false;
  }
}

/** The error for words of the caller's own that are wrong. */
export function usageError(message: string, remedy: string): BridgeError {
  return new BridgeError(message, { code: 'usage', remedy });
}

/** The text of anything thrown, for a log line or an `error:` line. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
