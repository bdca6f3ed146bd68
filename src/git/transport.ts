import { BridgeError } from '../protocol/bridge-error.js';
import { CLAIMS_PREFIX } from '../protocol/claim.js';
import { MAIN_REF } from '../protocol/names.js';
import { AGENTS_PREFIX } from '../protocol/presence.js';
import { parseRefusal, type RefusalCode } from '../protocol/refusal.js';
import { classifyGitFailure, DISK_FULL } from './git-failure.js';
import { gitDate } from './read-history.js';
import type { GitResult, Repository } from './run-git.js';
import { runRemoteGit } from './run-remote-git.js';

/** Where the other side's refs are kept in a clone of ours. */
export const REMOTE_PREFIX = 'refs/remotes/bridge/';

/** Where the other side's `main` is kept in a clone of ours. */
export const REMOTE_MAIN_REF = `${REMOTE_PREFIX}main`;

/** Besides main: who works on what, as it is there now. Ours of what is gone there goes too. */
const SIDE_REFS = [
  '--prune',
  `+${CLAIMS_PREFIX}*:${REMOTE_PREFIX}claims/*`,
  `+${AGENTS_PREFIX}*:${REMOTE_PREFIX}agents/*`,
] as const;

/**
 * git is given up after three minutes without a word. ssh's own keep-alive notices a dead network in 40 s; this is for
 * whatever ssh does not see, and longer than any push of a megabyte is silent.
 */
const SILENCE_MS = 180_000;

/** How much a fetch asks for; nothing given means: whatever is new on main. */
export interface FetchDepth {
  /** Claims and presences too, in the same connection. */
  readonly sideRefs?: boolean;
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
 * Fetches `main`, and nothing else unless asked, into REMOTE_MAIN_REF; never forced. Throws BridgeError as classifyGitFailure tells,
 * `retryable` where waiting may help.
 */
export async function fetchMain(
  repo: Repository,
  url: string,
  depth: FetchDepth = {},
  signal?: AbortSignal,
): Promise<FetchOutcome> {
  const [prune, ...sideRefs] = SIDE_REFS;
  const result = await runRemoteGit(
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
      ...(depth.sideRefs === true ? [prune] : []),
      '--end-of-options',
      url,
      `${MAIN_REF}:${REMOTE_MAIN_REF}`,
      ...(depth.sideRefs === true ? sideRefs : []),
    ],
    { signal, silenceMs: SILENCE_MS },
  );
  if (result.exitCode === 0) return 'fetched';
  if (/no commits selected for shallow requests/.test(result.stderr)) return 'nothing-since';
  if (/\((non-fast-forward|forced update)\)/.test(result.stderr)) return 'rewound';
  throw classifyGitFailure(`fetch from ${url}`, result.stderr);
}

/**
 * Asks for `main`, and with `sideRefs` for claims and presences, as they are there now: by name, nothing where there is none. Brings no object and
 * changes nothing here. Throws BridgeError as fetchMain does.
 */
export async function listRemoteRefs(
  repo: Repository,
  url: string,
  sideRefs: boolean,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const result = await runRemoteGit(
    repo,
    [
      ...['ls-remote', '--quiet', '--refs', '--end-of-options', url, MAIN_REF],
      ...(sideRefs ? [`${CLAIMS_PREFIX}*`, `${AGENTS_PREFIX}*`] : []),
    ],
    { signal, silenceMs: SILENCE_MS },
  );
  if (result.exitCode !== 0) throw classifyGitFailure(`look at ${url}`, result.stderr);
  const wanted = new RegExp(
    `^([0-9a-f]{40,64})\\t(${MAIN_REF}|(?:${CLAIMS_PREFIX}|${AGENTS_PREFIX})[^/\\n]+)$`,
    'gm',
  );
  return new Map(
    // A pattern of ls-remote is good for the end of a name as well.
    [...result.stdout.toString('utf8').matchAll(wanted)].map(([, id = '', ref = '']) => [ref, id]),
  );
}

/** Why a push did not go through, in the server's words. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
  readonly remedy: string;
}

/**
 * `raced`: another push moved main first, so fetch and build again. `not-with-those`: main might have moved, had the refs not been there
 * that should go with it.
 */
export type PushOutcome =
  | { readonly status: 'pushed' }
  | { readonly status: 'raced' }
  | { readonly status: 'not-with-those' }
  | { readonly status: 'refused'; readonly refusal: Refusal };

/** A ref of the other side that is to go, if it is still at `id` there. */
export interface RefEnd {
  readonly ref: string;
  readonly id: string;
}

/**
 * Pushes one commit to `main`, as a fast-forward or not at all; with it, and only with it, some refs go. Throws BridgeError as
 * classifyGitFailure tells.
 */
export async function pushCommit(
  repo: Repository,
  url: string,
  commit: string,
  signal?: AbortSignal,
  ends: readonly RefEnd[] = [],
): Promise<PushOutcome> {
  const result = await runPush(
    repo,
    url,
    [
      ...(ends.length === 0 ? [] : ['--atomic']),
      ...ends.map(({ ref, id }) => `--force-with-lease=${ref}:${id}`),
    ],
    [`${commit}:${MAIN_REF}`, ...ends.map(({ ref }) => `:${ref}`)],
    signal,
  );
  if (result.exitCode === 0) return { status: 'pushed' };
  const stdout = result.stdout.toString('utf8');
  const refusal = parseRefusal(result.stderr);
  if (ends.length > 0 && isAboutOthers(stdout, result.stderr, refusal)) return { status: 'not-with-those' };
  if (refusal !== null)
    return refusal.code === 'stale' ? { status: 'raced' } : { status: 'refused', refusal };
  // A full disk fails at the lock of the ref too, and is no race.
  if (DISK_FULL.test(result.stderr)) throw classifyGitFailure(`push to ${url}`, result.stderr);
  // git's own words for a main that is not the one we built on, at the client, in the connectivity check, or at the lock.
  if (
    /\[(remote )?rejected\].*\((fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|incorrect old value)/.test(
      stdout + result.stderr,
    ) ||
    isAtomicAndLost(stdout, result.stderr)
  ) {
    return { status: 'raced' };
  }
  throwIfRejected(url, stdout);
  throw classifyGitFailure(`push to ${url}`, result.stderr);
}

/** In one transaction git says of every ref that it failed, and which one it was in a line of its own. */
function isAtomicAndLost(stdout: string, stderr: string): boolean {
  return /\(atomic transaction failed\)/.test(stdout) && stderr.includes(`cannot lock ref '${MAIN_REF}'`);
}

/** Whether a push failed for one of the refs that should have gone with main, or for what cannot be told. Not where main itself is at fault. */
function isAboutOthers(stdout: string, stderr: string, refusal: Refusal | null): boolean {
  // Claims are judged after main; an older server knows of none, and says that a push moves one ref.
  if (refusal !== null) return refusal.code === 'ref' || refusal.text.includes('refs/bridge/');
  if (!/\[(remote )?rejected\]/.test(stdout)) return /does not support --atomic/.test(stderr);
  const aboutMain = new RegExp(`:${MAIN_REF}\t\\[(remote )?rejected\\] \\((?!atomic )`);
  return !aboutMain.test(stdout) && !isAtomicAndLost(stdout, stderr);
}

/** A ref beside main that is to be made or changed, if it is still at `from` there. `to` null: deleted; `from` null: not there yet. */
export interface SideRefChange {
  readonly ref: string;
  readonly to: string | null;
  readonly from: string | null;
}

/** `pushed`: those refs were, each by itself, the others were not what `from` says. `refused`: none was. */
export type SidePushOutcome =
  | { readonly status: 'pushed'; readonly refs: ReadonlySet<string> }
  | { readonly status: 'refused'; readonly refusal: Refusal };

/** Pushes refs beside main, each a compare-and-swap of its own. Throws BridgeError as classifyGitFailure tells. */
export async function pushSideRefs(
  repo: Repository,
  url: string,
  changes: readonly SideRefChange[],
  signal?: AbortSignal,
): Promise<SidePushOutcome> {
  const result = await runPush(
    repo,
    url,
    changes.map(({ ref, from }) => `--force-with-lease=${ref}:${from ?? ''}`),
    changes.map(({ ref, to }) => `${to ?? ''}:${ref}`),
    signal,
  );
  const stdout = result.stdout.toString('utf8');
  const refusal = result.exitCode === 0 ? null : parseRefusal(result.stderr);
  if (refusal !== null) return { status: 'refused', refusal };
  // One line a ref: a sign, a tab, `<src>:<dst>`, a tab, what became of it. Nothing of it where the connection broke first.
  const rows = stdout.split('\n').map((line) => line.split('\t'));
  if (result.exitCode !== 0 && !rows.some(([sign]) => sign === '!')) {
    throw classifyGitFailure(`push to ${url}`, result.stderr);
  }
  const pushed = rows.flatMap(([sign = '', refs = '']) =>
    /^[ +*=-]$/.test(sign) ? [refs.slice(refs.indexOf(':') + 1)] : [],
  );
  return { status: 'pushed', refs: new Set(pushed) };
}

function runPush(
  repo: Repository,
  url: string,
  options: readonly string[],
  refspecs: readonly string[],
  signal: AbortSignal | undefined,
): Promise<GitResult> {
  return runRemoteGit(
    repo,
    [
      'push',
      ...['--porcelain', '--no-verify', '--no-signed', '--no-follow-tags', '--recurse-submodules=no'],
      ...options,
      '--end-of-options',
      url,
      ...refspecs,
    ],
    { signal, silenceMs: SILENCE_MS },
  );
}

function throwIfRejected(url: string, stdout: string): void {
  const why = /\[remote rejected\] \(([^)]*)\)/.exec(stdout)?.[1];
  if (why === undefined) return;
  throw new BridgeError(`push to ${url}: the server rejected it (${why})`, {
    code: 'rejected',
    remedy: 'look at the lines of "remote:" above, and run "llm-bridge init" again on the server',
    retryable: true,
  });
}
