import { CLAIMS_PREFIX } from '../protocol/claim.js';
import { MODELS_PREFIX } from '../protocol/models.js';
import { MAIN_REF } from '../protocol/names.js';
import { AGENTS_PREFIX } from '../protocol/presence.js';
import { classifyGitFailure } from './git-failure.js';
import { gitMeant } from './git-meaning.js';
import { argsOfLeavingOut, LEFT_OUT_ENV, PROMISOR } from './left-out.js';
import { gitDate } from './read-history.js';
import type { GitResult, Repository } from './run-git.js';
import { runRemoteGit } from './run-remote-git.js';

/** Where a clone of ours keeps the refs of the other side. */
export const REMOTE_PREFIX = 'refs/remotes/bridge/';

/** Where a clone of ours keeps `main` of the other side. */
export const REMOTE_MAIN_REF = `${REMOTE_PREFIX}main`;

/** What lies beside main, as it is there now. Our copy of a ref that is gone there is removed too. */
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
}

/**
 * What comes can be fetched again, so no power cut costs more than that: a clone that lost some of it is made
 * again, with what was kept in it (`agent/clone/own-clone.ts`). Refs are synced all the same: a fetch that
 * removes one writes all that are packed, and those of kept answers may be among them. What is named here is
 * added to git's default, so that default has to be taken back.
 */
const SYNC_REFS_ALONE = ['-c', 'core.fsync=reference,-pack,-pack-metadata,-loose-object,-commit-graph'];

/** `nothing-since`: no commit is that young. `rewound`: main was rewritten, which is never right. */
export type FetchOutcome = 'fetched' | 'nothing-since' | 'rewound';

/**
 * Fetches `main`, and nothing else unless asked, into REMOTE_MAIN_REF; never forced; without large files
 * where the repository leaves those out. Throws BridgeError as classifyGitFailure does, `retryable` where
 * waiting may help.
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
  const refspecs = [`${MAIN_REF}:${REMOTE_MAIN_REF}`, ...sideRefs];
  const result = await runFetch(repo, { options, url, refspecs }, signal);
  if (result.exitCode === 0) return 'fetched';
  if (gitMeant('nothing-that-young', result.stderr)) return 'nothing-since';
  if (gitMeant('rewound', result.stderr)) return 'rewound';
  throw classifyGitFailure(`fetch from ${url}`, result.stderr);
}

async function runFetch(
  repo: Repository,
  what: { readonly options: readonly string[]; readonly url: string; readonly refspecs: readonly string[] },
  signal: AbortSignal | undefined,
): Promise<GitResult> {
  const { options, url, refspecs } = what;
  const { leavesOutBytes } = repo;
  if (leavesOutBytes === undefined)
    return await runRemoteGit(repo, [...SYNC_REFS_ALONE, 'fetch', ...options, url, ...refspecs], signal);
  const without = { ...repo, env: { ...repo.env, ...LEFT_OUT_ENV } };
  const settings = [...SYNC_REFS_ALONE, ...argsOfLeavingOut(url, leavesOutBytes)];
  const run = (more: readonly string[]) =>
    runRemoteGit(without, [...settings, 'fetch', ...more, ...options, PROMISOR, ...refspecs], signal);
  const result = await run([]);
  // The server takes us to have all that our commits name, and may have sent a file as what differs from one
  // that was left out. It is sent whole where we name nothing that we have.
  return result.exitCode !== 0 && gitMeant('base-left-out', result.stderr)
    ? await run(['--refetch'])
    : result;
}

/**
 * Lists `main`, and with `sideRefs` claims, presences and models, by name as they are there now; empty where
 * there is none. Brings no object and changes nothing here. Throws BridgeError as fetchMain does.
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
  if (result.exitCode !== 0) throw classifyGitFailure(`look at ${url}`, result.stderr);
  const wanted = new RegExp(
    `^([0-9a-f]{40,64})\\t(${MAIN_REF}|(?:${CLAIMS_PREFIX}|${AGENTS_PREFIX}|${MODELS_PREFIX})[^/\\n]+)$`,
    'gm',
  );
  return new Map(
    // A pattern of ls-remote also matches the end of longer names.
    [...result.stdout.toString('utf8').matchAll(wanted)].map(([, id = '', ref = '']) => [ref, id]),
  );
}
