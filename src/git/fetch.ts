import { CLAIMS_PREFIX } from '../protocol/claim.js';
import { MODELS_PREFIX } from '../protocol/models.js';
import { MAIN_REF } from '../protocol/names.js';
import { AGENTS_PREFIX } from '../protocol/presence.js';
import { classifyGitFailure } from './git-failure.js';
import { gitMeant } from './git-meaning.js';
import { argsOfLeavingOut, LEFT_OUT_ENV, PROMISOR } from './left-out.js';
import { gitDate } from './read-history.js';
import { type GitResult, type Repository, UNSYNCED } from './run-git.js';
import { runRemoteGit } from './run-remote-git.js';

/** Where a clone of ours keeps the refs of the other side. */
export const REMOTE_PREFIX = 'refs/remotes/bridge/';

/** Where a clone of ours keeps `main` of the other side. */
export const REMOTE_MAIN_REF = `${REMOTE_PREFIX}main`;

/**
 * Where the tip of main is fetched to while it is not known whether the tip alone will do. main of the clone
 * stays where it was, whenever this is cut short.
 */
export const TIP_ALONE_REF = `${REMOTE_PREFIX}tip`;

/**
 * Copies of the refs beside main, as the other side has them now. The copy of a ref that is gone there is
 * removed.
 */
const SIDE_REFS = [
  `+${CLAIMS_PREFIX}*:${REMOTE_PREFIX}claims/*`,
  `+${AGENTS_PREFIX}*:${REMOTE_PREFIX}agents/*`,
  `+${MODELS_PREFIX}*:${REMOTE_PREFIX}models/*`,
] as const;

const SIDE_PREFIXES = [CLAIMS_PREFIX, AGENTS_PREFIX, MODELS_PREFIX] as const;

/** How much a fetch asks for. Without any field: everything new on main. */
export interface FetchDepth {
  /** Claims, presences and models too, in the same connection. */
  readonly sideRefs?: boolean;
  /** This many commits from the tip. */
  readonly depth?: number;
  /** Commits dated since then; milliseconds since the epoch. */
  readonly sinceMs?: number;
  /** This many commits more, behind the edge of a shallow clone. */
  readonly deepen?: number;
  /** No ref in the clone has to survive a power cut, as where no answer is kept. */
  readonly unsynced?: boolean;
  /** To TIP_ALONE_REF, whatever is there, and not to REMOTE_MAIN_REF. */
  readonly isTrial?: boolean;
}

/**
 * Fetched objects are not synced, because they can be fetched again: a clone that a power cut has damaged is
 * made again, and the answers that were kept in it are carried over (`agent/clone/own-clone.ts`). Where any
 * are kept, refs are synced, because a fetch that removes a ref may write packed-refs anew, and the refs of
 * kept answers may be in that file. git adds these values to its default, so the values of the default are
 * taken back one by one.
 */
const SYNC_REFS_ALONE = ['-c', 'core.fsync=reference,-pack,-pack-metadata,-loose-object,-commit-graph'];

/** `nothing-since`: no commit is that young. `rewound`: main was rewritten, which is never right. */
export type FetchOutcome = 'fetched' | 'nothing-since' | 'rewound';

/**
 * Fetches `main` into REMOTE_MAIN_REF, never forced, and nothing else unless asked. Large files stay on the
 * server where the repository leaves them out. Throws BridgeError as classifyGitFailure does, `retryable`
 * where waiting may help.
 */
export async function fetchMain(
  repo: Repository,
  url: string,
  depth: FetchDepth = {},
  signal?: AbortSignal,
): Promise<FetchOutcome> {
  const sideRefs = depth.sideRefs === true ? SIDE_REFS : [];
  const options = [
    ...['--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance'],
    // Not --quiet: with it git does not say that it refused a rewritten main, only that something failed.
    '--no-progress',
    // The user's fetch.showForcedUpdates=false would hide that main was rewritten.
    '--show-forced-updates',
    ...(depth.depth === undefined ? [] : [`--depth=${depth.depth}`]),
    ...(depth.deepen === undefined ? [] : [`--deepen=${depth.deepen}`]),
    ...(depth.sinceMs === undefined ? [] : [`--shallow-since=${gitDate(depth.sinceMs)}`]),
    ...(sideRefs.length === 0 ? [] : ['--prune']),
    '--end-of-options',
  ];
  const main = depth.isTrial === true ? `+${MAIN_REF}:${TIP_ALONE_REF}` : `${MAIN_REF}:${REMOTE_MAIN_REF}`;
  const refspecs = [main, ...sideRefs];
  const isUnsynced = repo.isDisposable === true || depth.unsynced === true;
  const sync = isUnsynced ? UNSYNCED : SYNC_REFS_ALONE;
  const result = await runFetch(repo, { sync, options, url, refspecs }, signal);
  if (result.exitCode === 0) return 'fetched';
  if (gitMeant('nothing-that-young', result.stderr)) return 'nothing-since';
  if (gitMeant('rewound', result.stderr)) return 'rewound';
  throw classifyGitFailure(`fetch from ${url}`, result.stderr, url);
}

async function runFetch(
  repo: Repository,
  what: {
    readonly sync: readonly string[];
    readonly options: readonly string[];
    readonly url: string;
    readonly refspecs: readonly string[];
  },
  signal: AbortSignal | undefined,
): Promise<GitResult> {
  const { sync, options, url, refspecs } = what;
  const { leavesOutBytes } = repo;
  if (leavesOutBytes === undefined)
    return await runRemoteGit(repo, [...sync, 'fetch', ...options, url, ...refspecs], signal);
  const without = { ...repo, env: { ...repo.env, ...LEFT_OUT_ENV } };
  const settings = [...sync, ...argsOfLeavingOut(url, leavesOutBytes)];
  const run = (more: readonly string[]) =>
    runRemoteGit(without, [...settings, 'fetch', ...more, ...options, PROMISOR, ...refspecs], signal);
  const result = await run([]);
  // The server assumes that we have every object that our commits name, so it may have sent a file as a
  // delta on one that was left out. With --refetch we name no commit that we have, and it sends files whole.
  return result.exitCode !== 0 && gitMeant('base-left-out', result.stderr)
    ? await run(['--refetch'])
    : result;
}

/**
 * The ids of `main`, and with `sideRefs` of claims, presences and models, by the name of the ref, as the
 * other side has them now; empty where there is none. Fetches no object and changes nothing here. Throws
 * BridgeError as fetchMain does.
 */
export async function listRemoteRefs(
  repo: Repository,
  url: string,
  sideRefs: boolean,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const patterns = [MAIN_REF, ...(sideRefs ? SIDE_PREFIXES.map((prefix) => `${prefix}*`) : [])];
  const args = ['ls-remote', '--quiet', '--refs', '--end-of-options', url, ...patterns];
  const result = await runRemoteGit(repo, args, signal);
  if (result.exitCode !== 0) throw classifyGitFailure(`look at ${url}`, result.stderr, url);
  const wanted = new RegExp(
    `^([0-9a-f]{40,64})\\t(${MAIN_REF}|(?:${CLAIMS_PREFIX}|${AGENTS_PREFIX}|${MODELS_PREFIX})[^/\\n]+)$`,
    'gm',
  );
  return new Map(
    // A pattern of ls-remote also matches the end of longer names.
    [...result.stdout.toString('utf8').matchAll(wanted)].map(([, id = '', ref = '']) => [ref, id]),
  );
}
