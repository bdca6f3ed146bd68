import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { type FetchDepth, type FetchOutcome, fetchMain } from '../git/fetch.js';
import { listRefs } from '../git/refs.js';
import { gitFailed, type ObjectIds, type Repository, spawnGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';

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
