import path from 'node:path';
import { DEFAULT_CLAIM_LEASE_MS, MAX_CLAIM_LEASE_MS } from '../protocol/claim.js';
import { parseDurationMs } from '../protocol/duration.js';
import { DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_TASK_BYTES, DEFAULT_TASK_TTL_MS } from '../protocol/limits.js';
import { type Repository, runGit } from './run-git.js';

/** The section `[bridge]` of a bridge repository's config. */
export interface BridgeSettings {
  /** `bridge.version`: the layout `init` made; null where this is no bridge. */
  readonly version: number | null;
  readonly taskTtlMs: number;
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
  /** How long a claim holds a task; null where claims are off: `bridge.claimLease` is 0, or `init` is older than claims. */
  readonly claimLeaseMs: number | null;
  /** The absolute path of `answers.log`; `bridge.answersLog` may move it, relative to the repository. */
  readonly answersLog: string;
}

/** Reads the settings; what is absent or no number takes its default. */
export async function readBridgeSettings(repo: Repository): Promise<BridgeSettings> {
  const result = await runGit(repo, [
    'config',
    '--file',
    path.join(repo.gitDir, 'config'),
    '-z',
    '--get-regexp',
    '^bridge\\.',
  ]);
  const values = new Map<string, string>();
  for (const entry of result.stdout.toString('utf8').split('\0')) {
    const newline = entry.indexOf('\n');
    // git writes the key in lower case, and a key without a value without a line break.
    if (newline > 0) values.set(entry.slice(0, newline), entry.slice(newline + 1));
  }
  return {
    version: positive(values.get('bridge.version')),
    taskTtlMs: parseDurationMs(values.get('bridge.taskttl') ?? '') ?? DEFAULT_TASK_TTL_MS,
    maxTaskBytes: positive(values.get('bridge.maxtaskbytes')) ?? DEFAULT_MAX_TASK_BYTES,
    maxAnswerBytes: positive(values.get('bridge.maxanswerbytes')) ?? DEFAULT_MAX_ANSWER_BYTES,
    claimLeaseMs: leaseMs(values.get('bridge.claimlease')),
    answersLog: path.resolve(repo.gitDir, values.get('bridge.answerslog') || 'bridge/answers.log'),
  };
}

/** Reads a `bridge.claimLease`, here or from `bridge-hello`. */
export function leaseMs(text: string | undefined): number | null {
  const ms = parseDurationMs(text ?? '0') ?? DEFAULT_CLAIM_LEASE_MS;
  return ms === 0 ? null : Math.min(ms, MAX_CLAIM_LEASE_MS);
}

function positive(text: string | undefined): number | null {
  const number = Number(text);
  return text !== undefined && Number.isSafeInteger(number) && number > 0 ? number : null;
}
