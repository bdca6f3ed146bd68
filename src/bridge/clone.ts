import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { type FetchDepth, type FetchOutcome, fetchMain, REMOTE_MAIN_REF } from '../git/fetch.js';
import { listRefs, readRef, updateRefs } from '../git/refs.js';
import { gitFailed, type ObjectIds, type Repository, runGit, spawnGit } from '../git/run-git.js';
import { BridgeError, type BridgeErrorCode } from '../protocol/bridge-error.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { type BridgeConnection, connectBridge } from './connection.js';

/**
 * Opens a bare clone of ours, and makes it where it is missing. The fetched `main` is at REMOTE_MAIN_REF.
 * There is no remote, no work tree, no index. A new clone has ids of the format `ids`, whatever the user has
 * set, until the first fetch shows that the bridge has others.
 */
export async function openClone(
  gitDir: string,
  env: NodeJS.ProcessEnv,
  ids: ObjectIds = 'sha1',
): Promise<Repository> {
  const repo = { gitDir: path.resolve(gitDir), env };
  const text = await readFile(path.join(repo.gitDir, 'config'), 'utf8').catch(() => '');
  // A clone whose making was killed half-way is made again; that changes nothing that is there.
  if (!text.includes(SETTINGS)) return makeClone(repo, text === '' ? ids : idsIn(text));
  // A clone of an older version may keep its refs as a reftable.
  return /refstorage\s*=\s*reftable/i.test(text) ? repo : { ...repo, ownIds: idsIn(text) };
}

function idsIn(config: string): ObjectIds {
  return /objectformat\s*=\s*sha256/i.test(config) ? 'sha256' : 'sha1';
}

async function makeClone(repo: Repository, ownIds: ObjectIds): Promise<Repository> {
  await mkdir(path.dirname(repo.gitDir), { recursive: true });
  const form = ['--template=', '--initial-branch=main', `--object-format=${ownIds}`];
  const args = ['init', '--bare', '--quiet', ...form, repo.gitDir];
  // As a variable, because git before 2.45 ignores it and refuses the option.
  const result = await spawnGit(args, { ...repo.env, GIT_DEFAULT_REF_FORMAT: 'files' });
  if (result.exitCode !== 0) throw gitFailed(args, result);
  const config = path.join(repo.gitDir, 'config');
  await writeFileAtomic(config, `${await readFile(config, 'utf8')}${SETTINGS}`);
  return { ...repo, ownIds };
}

/**
 * Fetches into a clone that may be empty. An empty clone with ids of the wrong format is made again in the
 * same place, and `clone` itself is changed: nothing has been read from it yet.
 */
export async function fetchFirst(
  clone: Repository,
  url: string,
  depth: FetchDepth,
  signal?: AbortSignal,
): Promise<FetchOutcome> {
  try {
    return await fetchMain(clone, url, depth, signal);
  } catch (error) {
    const isOther = error instanceof BridgeError && error.code === 'object-format';
    if (!isOther || (await listRefs(clone, 'refs/')).length > 0) throw error;
    await rm(clone.gitDir, { recursive: true, force: true, maxRetries: 3 });
    Object.assign(clone, await makeClone(clone, clone.ownIds === 'sha256' ? 'sha1' : 'sha256'));
    return fetchMain(clone, url, depth, signal);
  }
}

/**
 * A finished answer waits in a clone for the network, so it has to survive a power cut. Reflogs would keep
 * alive what nobody looks at again. A gc runs at its own time (`clone-maintenance.ts`), not in the middle of
 * a fetch.
 */
const SETTINGS = `[core]
	fsync = all
	logAllRefUpdates = false
[gc]
	auto = 0
[transfer]
	fsckObjects = true
`;

/** Which part of history to fetch. */
export interface FetchWindow {
  readonly nowMs: number;
  readonly ttlMs: number;
  /** Also claims, presences and models. */
  readonly sideRefs?: boolean;
  /**
   * Drop what is older than a fresh clone would reach. It takes its disk space until the next maintenance.
   */
  readonly shorten?: boolean;
  /** This many more commits behind those that are there. Not into an empty clone. */
  readonly deepen?: number | undefined;
  /** No ref in the clone has to survive a power cut. */
  readonly unsynced?: boolean;
}

/**
 * Fetches what is new on `main`. Into an empty clone it fetches history as far back as tasks can be pending.
 * With `sideRefs` it fetches what lies beside main too. Returns the tip. Throws BridgeError
 * `history-rewritten` where main does not continue what we have, which no honest bridge ever does.
 */
export async function updateClone(
  clone: Repository,
  connection: BridgeConnection,
  window: FetchWindow,
  signal?: AbortSignal,
): Promise<string> {
  await connectBridge(connection, signal);
  const { url } = connection.address;
  const known = await readRef(clone, REMOTE_MAIN_REF);
  const sinceMs = window.nowMs - window.ttlMs - HISTORY_MARGIN_MS;
  const side = { sideRefs: window.sideRefs === true, unsynced: window.unsynced === true };
  const isWhole = known === null || window.shorten === true;
  const further = window.deepen === undefined ? {} : { deepen: window.deepen };
  const outcome = isWhole
    ? await fetchWhole(clone, url, { sinceMs, ...side }, known === null, signal)
    : await fetchMain(clone, url, { ...side, ...further }, signal);
  if (outcome === 'rewound') {
    throw new BridgeError(
      `main of ${url} was rewound or rewritten; this clone had it at ${known ?? 'nothing'}`,
      {
        code: 'history-rewritten',
        remedy: `find out who rewrote the record; if it was you, delete ${clone.gitDir} and start again`,
      },
    );
  }
  // The first message of the window may be the edge itself, and a commit at the edge does not show its
  // change. So one commit more is fetched.
  if (isWhole && (await isEdgeYoungerThan(clone, window.nowMs - window.ttlMs)))
    await fetchMain(clone, url, { deepen: 1 }, signal);
  const tip = await readRef(clone, REMOTE_MAIN_REF);
  if (tip === null) throw new Error('fetch reported success and brought no main');
  return tip;
}

/**
 * Fetches as far back as `depth` says. Where no commit is that young, nothing is pending, and the tip is all
 * we need. Over http git says so by breaking the connection. So after such a failure an empty clone tries
 * the tip alone, and keeps it if it is as old as that.
 */
async function fetchWhole(
  clone: Repository,
  url: string,
  { sideRefs = false, unsynced = false, ...depth }: FetchDepth & { readonly sinceMs: number },
  isEmpty: boolean,
  signal: AbortSignal | undefined,
): Promise<FetchOutcome> {
  const tipAlone = () => fetchFirst(clone, url, { depth: 1, sideRefs, unsynced }, signal);
  try {
    const outcome = await fetchFirst(clone, url, { ...depth, sideRefs, unsynced }, signal);
    return outcome === 'nothing-since' ? await tipAlone() : outcome;
  } catch (error) {
    if (!isEmpty || !mayBeTheDepth(error) || signal?.aborted) throw error;
    const outcome = await tipAlone();
    if (!(await isEdgeYoungerThan(clone, depth.sinceMs))) return outcome;
    // It was not the depth. With the tip alone, what is pending behind it would never be fetched.
    await updateRefs(clone, [{ ref: REMOTE_MAIN_REF, to: null }], 'too little');
    throw error;
  }
}

/**
 * Fetches into a clone that has the tip of main what came since `sinceMs`. Where nothing did, nothing comes,
 * however git says so. Throws BridgeError as fetchMain does.
 */
export async function fetchSince(
  clone: Repository,
  url: string,
  sinceMs: number,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await fetchMain(clone, url, { sinceMs }, signal);
  } catch (error) {
    if (!mayBeTheDepth(error) || signal?.aborted || (await isEdgeYoungerThan(clone, sinceMs))) throw error;
  }
}

/** How a shallow fetch that finds nothing ends, over one transport or another. */
const MAY_BE_THE_DEPTH: readonly BridgeErrorCode[] = ['connection-broke', 'git-failed', 'unreachable'];

function mayBeTheDepth(error: unknown): boolean {
  return error instanceof BridgeError && MAY_BE_THE_DEPTH.includes(error.code);
}

/** Whether history was cut behind a commit that is dated after `sinceMs`. */
async function isEdgeYoungerThan(clone: Repository, sinceMs: number): Promise<boolean> {
  const edge = (await readFile(path.join(clone.gitDir, 'shallow'), 'utf8').catch(() => '')).trim();
  if (edge === '') return false;
  const shown = await runGit(clone, ['log', '--no-walk', '--format=%ct', ...edge.split('\n'), '--']);
  return shown.stdout
    .toString('utf8')
    .split('\n')
    .some((seconds) => Number(seconds) * 1000 > sinceMs);
}
