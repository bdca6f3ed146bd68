import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type FetchDepth,
  type FetchOutcome,
  fetchMain,
  REMOTE_MAIN_REF,
  TIP_ALONE_REF,
} from '../git/fetch.js';
import { readRef, updateRefs } from '../git/refs.js';
import { type Repository, runGit } from '../git/run-git.js';
import { BridgeError, type BridgeErrorCode } from '../protocol/bridge-error.js';
import { HISTORY_MARGIN_MS } from '../protocol/limits.js';
import { fetchFirst } from './clone.js';
import { type BridgeConnection, connectBridge } from './connection.js';

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
  if (outcome === 'rewound' && (await isStillRewound(clone, url, sinceMs, signal))) {
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
  const refs = { sideRefs, unsynced };
  try {
    const outcome = await fetchFirst(clone, url, { ...depth, ...refs }, signal);
    if (outcome !== 'nothing-since') return outcome;
    // A message may have come just now, and behind the tip alone it would not be seen to continue ours.
    return isEmpty
      ? await fetchFirst(clone, url, { depth: 1, ...refs }, signal)
      : await fetchMain(clone, url, refs, signal);
  } catch (error) {
    if (!isEmpty || !mayBeTheDepth(error) || signal?.aborted) throw error;
    // main has come, and something beside it failed: a clone that is cut behind the tip now would not reach
    // it.
    if ((await readRef(clone, REMOTE_MAIN_REF)) !== null) throw error;
    const outcome = await fetchFirst(clone, url, { depth: 1, ...refs, isTrial: true }, signal);
    const tip = await readRef(clone, TIP_ALONE_REF);
    // It was not the depth. With the tip alone, what is pending behind it would never be fetched.
    const isAll = tip !== null && !(await isEdgeYoungerThan(clone, depth.sinceMs));
    const moved = isAll ? [{ ref: REMOTE_MAIN_REF, to: tip }] : [];
    await updateRefs(clone, [...moved, { ref: TIP_ALONE_REF, to: null }], 'fetch');
    if (!isAll) throw error;
    return outcome;
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

/**
 * Whether main does not continue what the clone has of it. A git that was killed in the middle of a shallow
 * fetch may have cut history in front of that, so this first fetches what is missing.
 */
async function isStillRewound(
  clone: Repository,
  url: string,
  sinceMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!(await isEdgeYoungerThan(clone, sinceMs))) return true;
  await fetchMain(clone, url, { sinceMs, isTrial: true }, signal);
  await updateRefs(clone, [{ ref: TIP_ALONE_REF, to: null }], 'fetch');
  return (await fetchMain(clone, url, {}, signal)) === 'rewound';
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
