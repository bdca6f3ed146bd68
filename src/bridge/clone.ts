import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { fetchMain, REMOTE_MAIN_REF } from '../git/fetch.js';
import { readRef } from '../git/refs.js';
import { gitFailed, type Repository, runGit, spawnGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type BridgeConnection, connectBridge } from './connection.js';

/**
 * Opens a bare clone of ours, and makes it where it is missing. The fetched `main` is at REMOTE_MAIN_REF.
 * There is no remote, no work tree, no index.
 */
export async function openClone(gitDir: string, env: NodeJS.ProcessEnv): Promise<Repository> {
  const repo = { gitDir: path.resolve(gitDir), env };
  const config = path.join(repo.gitDir, 'config');
  let text = await readFile(config, 'utf8').catch(() => '');
  // A clone whose making was killed half-way is made again; that changes nothing that is there.
  if (!text.includes(SETTINGS)) {
    await mkdir(path.dirname(repo.gitDir), { recursive: true });
    const args = ['init', '--bare', '--quiet', '--template=', '--initial-branch=main', repo.gitDir];
    const result = await spawnGit(args, env);
    if (result.exitCode !== 0) throw gitFailed(args, result);
    text = `${await readFile(config, 'utf8')}${SETTINGS}`;
    await writeFileAtomic(config, text);
  }
  if (/refstorage\s*=\s*reftable/i.test(text)) return repo;
  return { ...repo, ownIds: /objectformat\s*=\s*sha256/i.test(text) ? 'sha256' : 'sha1' };
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
  /** Also claims and presences. */
  readonly sideRefs?: boolean;
  /** Drop what is older than a fresh clone would reach. It takes its space until the next maintenance. */
  readonly shorten?: boolean;
  /** This many more commits behind those that are there. Not into an empty clone. */
  readonly deepen?: number | undefined;
}

/**
 * How far before the time-to-live a fresh clone reaches, for clocks and dates that are not quite in order: a
 * day.
 */
const MARGIN_MS = 86_400_000;

/**
 * Fetches what is new on `main`. Into an empty clone it fetches history as far back as tasks can be pending.
 * With `sideRefs` it fetches claims and presences too. Returns the tip. Throws BridgeError
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
  const sinceMs = window.nowMs - window.ttlMs - MARGIN_MS;
  const side = { sideRefs: window.sideRefs === true };
  const isWhole = known === null || window.shorten === true;
  const further = window.deepen === undefined ? {} : { deepen: window.deepen };
  const depth = isWhole ? { sinceMs, ...side } : { ...side, ...further };
  let outcome = await fetchMain(clone, url, depth, signal);
  // No commit is that young. Then nothing is pending, and the tip is all we need.
  if (outcome === 'nothing-since') outcome = await fetchMain(clone, url, { depth: 1, ...side }, signal);
  if (outcome === 'rewound') {
    throw new BridgeError(
      `main of ${url} was rewound or rewritten; this clone had it at ${known ?? 'nothing'}`,
      {
        code: 'history-rewritten',
        remedy: `find out who rewrote the record; if it was you, delete ${clone.gitDir} and start again`,
      },
    );
  }
  // After a silence the first message of the window is the edge itself, and a commit at the edge does not
  // show its change.
  if (isWhole && (await isEdgeYoungerThan(clone, window.nowMs - window.ttlMs)))
    await fetchMain(clone, url, { deepen: 1 }, signal);
  const tip = await readRef(clone, REMOTE_MAIN_REF);
  if (tip === null) throw new Error('fetch reported success and brought no main');
  return tip;
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
