import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF } from '../protocol/names.js';
import { parseRefusal, type RefusalCode } from '../protocol/refusal.js';
import { gitDate } from './git-date.js';
import { classifyGitFailure, DISK_FULL } from './git-failure.js';
import type { Repository } from './run-git.js';
import { runSimpleGit } from './run-simple-git.js';

/** Where the other side's `main` is kept in a clone of ours. */
export const REMOTE_MAIN_REF = 'refs/remotes/bridge/main';

/**
 * git is given up after three minutes without a word. ssh's own keep-alive notices a dead network in 40 s; this is for
 * whatever ssh does not see, and longer than any push of a megabyte is silent.
 */
const SILENCE_MS = 180_000;

/** How much history a fetch asks for; nothing given means: whatever is new. */
export interface FetchDepth {
  /** So many commits from the tip. */
  readonly depth?: number;
  /** Commits dated since then; milliseconds since the epoch. */
  readonly sinceMs?: number;
  /** So many commits more than there are, behind the edge of a shallow clone. */
  readonly deepen?: number;
}

/** `fetched`; `nothing-since` where no commit is as young as asked; `rewound` where main was rewritten, which is never right. */
export type FetchOutcome = 'fetched' | 'nothing-since' | 'rewound';

/**
 * Fetches `main`, and nothing else, into REMOTE_MAIN_REF; never forced. Throws BridgeError as classifyGitFailure tells,
 * `retryable` where waiting may help.
 */
export async function fetchMain(
  repo: Repository,
  url: string,
  depth: FetchDepth = {},
  signal?: AbortSignal,
): Promise<FetchOutcome> {
  const result = await runSimpleGit(
    repo,
    [
      'fetch',
      ...[
        '--no-tags',
        '--no-write-fetch-head',
        '--no-recurse-submodules',
        '--no-auto-maintenance',
        // Not --quiet: with it git does not say that it refused a rewritten main, only that something failed.
        '--no-progress',
        // The user's fetch.showForcedUpdates=false would let a rewritten main pass for a new one.
        '--show-forced-updates',
      ],
      ...(depth.depth === undefined ? [] : [`--depth=${depth.depth}`]),
      ...(depth.deepen === undefined ? [] : [`--deepen=${depth.deepen}`]),
      ...(depth.sinceMs === undefined ? [] : [`--shallow-since=${gitDate(depth.sinceMs)}`]),
      '--end-of-options',
      url,
      `${MAIN_REF}:${REMOTE_MAIN_REF}`,
    ],
    { signal, silenceMs: SILENCE_MS },
  );
  if (result.exitCode === 0) return 'fetched';
  if (/no commits selected for shallow requests/.test(result.stderr)) return 'nothing-since';
  if (/non-fast-forward|forced update/.test(result.stderr)) return 'rewound';
  throw classifyGitFailure(`fetch from ${url}`, result.stderr);
}

/** Why a push did not go through, in the server's words. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
  readonly remedy: string;
}

/** `raced`: another push moved main first, so fetch and build again. */
export type PushOutcome =
  | { readonly status: 'pushed' }
  | { readonly status: 'raced' }
  | { readonly status: 'refused'; readonly refusal: Refusal };

/** Pushes one commit to `main`, as a fast-forward or not at all. Throws BridgeError as classifyGitFailure tells. */
export async function pushCommit(
  repo: Repository,
  url: string,
  commit: string,
  signal?: AbortSignal,
): Promise<PushOutcome> {
  const result = await runSimpleGit(
    repo,
    [
      'push',
      ...['--porcelain', '--no-verify', '--no-signed', '--no-follow-tags', '--recurse-submodules=no'],
      '--end-of-options',
      url,
      `${commit}:${MAIN_REF}`,
    ],
    { signal, silenceMs: SILENCE_MS },
  );
  if (result.exitCode === 0) return { status: 'pushed' };
  const stdout = result.stdout.toString('utf8');
  const refusal = parseRefusal(result.stderr);
  if (refusal !== null)
    return refusal.code === 'stale' ? { status: 'raced' } : { status: 'refused', refusal };
  // A full disk fails at the lock of the ref too, and is no race.
  if (DISK_FULL.test(result.stderr)) throw classifyGitFailure(`push to ${url}`, result.stderr);
  // git's own words for a main that is not the one we built on, at the client, in the connectivity check, or at the lock.
  if (
    /\[(remote )?rejected\].*\((fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|incorrect old value)/.test(
      stdout + result.stderr,
    )
  ) {
    return { status: 'raced' };
  }
  if (/\[remote rejected\]/.test(stdout)) {
    const why = /\[remote rejected\] \(([^)]*)\)/.exec(stdout)?.[1] ?? 'no reason given';
    throw new BridgeError(`push to ${url}: the server rejected it (${why})`, {
      code: 'rejected',
      remedy: 'look at the lines of "remote:" above, and run "llm-bridge init" again on the server',
      retryable: true,
    });
  }
  throw classifyGitFailure(`push to ${url}`, result.stderr);
}
