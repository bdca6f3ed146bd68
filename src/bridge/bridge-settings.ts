import path from 'node:path';
import { gitFailed, type ObjectIds, type Repository, runGit } from '../git/run-git.js';
import { DEFAULT_CLAIM_LEASE_MS, MAX_CLAIM_LEASE_MS } from '../protocol/claim.js';
import { parseDurationMs } from '../protocol/duration.js';
import {
  DEFAULT_MAX_ANSWER_BYTES,
  DEFAULT_MAX_STREAM_BYTES,
  DEFAULT_MAX_TASK_BYTES,
  DEFAULT_TASK_TTL_MS,
} from '../protocol/limits.js';

/** A request to a web service takes a second; a hanging executable is ended within a minute. */
const DEFAULT_ON_ANSWER_TIMEOUT_MS = 60_000;

/** A short network failure is over by then. */
const DEFAULT_ON_ANSWER_RETRY_MS = 5_000;

/**
 * The section `[bridge]` of a bridge repository's config, and what must be known of the repository itself.
 */
export interface BridgeSettings {
  /** `bridge.version`: the layout `init` made; null where this is no bridge. */
  readonly version: number | null;
  readonly taskTtlMs: number;
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
  /**
   * How long a claim holds a task; null where claims are off: `bridge.claimLease` is 0, or the `init` of the
   * bridge is older than claims.
   */
  readonly claimLeaseMs: number | null;
  /** `bridge.maxStreamBytes`: the most bytes of a stream. */
  readonly maxStreamBytes: number;
  /** The absolute path of `answers.log`; `bridge.answersLog` may move it, relative to the repository. */
  readonly answersLog: string;
  /** `bridge.onAnswerTimeout`: how long an executable in `on-answer.d` may take for one record. */
  readonly onAnswerTimeoutMs: number;
  /** `bridge.onAnswerRetry`: the first wait after a failed run; each further wait is twice as long. */
  readonly onAnswerRetryMs: number;
  /**
   * The hash algorithm of its ids (`extensions.objectFormat`); null where its refs are not files
   * (`extensions.refStorage`).
   */
  readonly ids: ObjectIds | null;
}

/**
 * Reads the settings; a missing or invalid value takes its default. Throws BridgeError `git-failed` or
 * `git-killed` where git could not say: with defaults a push would be judged by other limits, and answers
 * would go into another log.
 */
export async function readBridgeSettings(repo: Repository): Promise<BridgeSettings> {
  const file = path.join(repo.gitDir, 'config');
  const args = ['config', '--file', file, '-z', '--get-regexp', '^(bridge\\.|extensions\\.)'];
  const result = await runGit(repo, args);
  // Exit code 1: no such key, or no such file.
  if (result.exitCode > 1) throw gitFailed(args, result);
  const values = new Map<string, string>();
  for (const entry of result.stdout.toString('utf8').split('\0')) {
    const newline = entry.indexOf('\n');
    // git writes the key in lower case. It writes a key without a value without a line break.
    if (newline > 0) values.set(entry.slice(0, newline), entry.slice(newline + 1));
  }
  return settingsOf(repo.gitDir, values);
}

/**
 * The same from lines that git wrote for a shell, a key and a value each. Null where the lines are not
 * complete: there are none, or a value has more than one line.
 */
export function parseBridgeSettings(gitDir: string, lines: readonly string[]): BridgeSettings | null {
  const values = new Map<string, string>();
  for (const line of lines) {
    const [, key = '', value] = /^((?:bridge|extensions)\.[a-z0-9.-]+)(?: (.*))?$/.exec(line) ?? [];
    if (key === '') return null;
    if (value !== undefined) values.set(key, value);
  }
  return values.size === 0 ? null : settingsOf(gitDir, values);
}

function settingsOf(gitDir: string, values: ReadonlyMap<string, string>): BridgeSettings {
  return {
    version: positive(values.get('bridge.version')),
    taskTtlMs: parseDurationMs(values.get('bridge.taskttl') ?? '') ?? DEFAULT_TASK_TTL_MS,
    maxTaskBytes: positive(values.get('bridge.maxtaskbytes')) ?? DEFAULT_MAX_TASK_BYTES,
    maxAnswerBytes: positive(values.get('bridge.maxanswerbytes')) ?? DEFAULT_MAX_ANSWER_BYTES,
    maxStreamBytes: positive(values.get('bridge.maxstreambytes')) ?? DEFAULT_MAX_STREAM_BYTES,
    claimLeaseMs: leaseMs(values.get('bridge.claimlease')),
    answersLog: path.resolve(gitDir, values.get('bridge.answerslog') || 'bridge/answers.log'),
    onAnswerTimeoutMs:
      parseDurationMs(values.get('bridge.onanswertimeout') ?? '') ?? DEFAULT_ON_ANSWER_TIMEOUT_MS,
    onAnswerRetryMs: parseDurationMs(values.get('bridge.onanswerretry') ?? '') ?? DEFAULT_ON_ANSWER_RETRY_MS,
    ids: idsOf(values.get('extensions.objectformat'), values.get('extensions.refstorage')),
  };
}

/** Reads a `bridge.claimLease`, here or from `bridge-hello`. Null where it is 0 or not there. */
export function leaseMs(text: string | undefined): number | null {
  const ms = parseDurationMs(text ?? '0') ?? DEFAULT_CLAIM_LEASE_MS;
  return ms === 0 ? null : Math.min(ms, MAX_CLAIM_LEASE_MS);
}

function idsOf(objectFormat = 'sha1', refStorage = 'files'): ObjectIds | null {
  if (refStorage !== 'files' || (objectFormat !== 'sha1' && objectFormat !== 'sha256')) return null;
  return objectFormat;
}

function positive(text: string | undefined): number | null {
  const number = Number(text);
  return text !== undefined && Number.isSafeInteger(number) && number > 0 ? number : null;
}
