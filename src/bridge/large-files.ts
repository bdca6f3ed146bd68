import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fetchMain, REMOTE_MAIN_REF } from '../git/fetch.js';
import { openObjectReader } from '../git/object-reader.js';
import { gitText, type Repository } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type HistoryCommit, messageOf } from '../protocol/history.js';
import { openClone } from './clone.js';
import { type BridgeConnection, connectBridge } from './connection.js';

/**
 * The limits with which a missing file is fetched, one after the other: long answers but no photos; then
 * everything. Bytes.
 */
const LIMITS = [1024 * 1024, undefined] as const;

/** Main may move between the counting of commits and their fetch. */
const MAX_TRIES = 3;

/** A clone that leaves out large files, and the connection to its bridge. */
export interface LeavingOut {
  readonly clone: Repository;
  readonly connection: BridgeConnection;
}

/** Options for a required file. */
export interface RequireOptions {
  /** A larger one may stay left out. Default: none may. */
  readonly maxBytes?: number;
  /**
   * This many commits behind it get their files as well, for a caller that reads on backwards. Default:
   * none.
   */
  readonly spare?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the file of a message on main is in the clone; any other commit needs none. A bridge
 * serves no file by its id, because git would then serve any. So main is fetched once more, from its tip
 * down to that commit, with the large files. Throws BridgeError as fetchMain does, or `missing-object` where
 * the bridge does not have it.
 */
export async function requireFile(
  { clone, connection }: LeavingOut,
  commit: HistoryCommit,
  { maxBytes, spare = 0, signal }: RequireOptions = {},
): Promise<void> {
  const message = messageOf(commit);
  if (clone.leavesOutBytes === undefined || message.kind === 'other') return;
  const reader = openObjectReader(clone);
  const isThere = async () => (await reader.info(message.change.newId)) !== null;
  try {
    if (await isThere()) return;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      await connectBridge(connection, signal);
      if (tries > 0) await fetchMain(clone, connection.address.url, {}, signal);
      for (const limit of maxBytes === undefined ? LIMITS : [maxBytes]) {
        await fetchDownTo({ clone, connection }, commit.id, { leavesOutBytes: limit, spare, signal });
        if (await isThere()) return;
      }
      if (maxBytes !== undefined) return;
    }
  } finally {
    reader.close();
  }
  throw new BridgeError(`the file of commit ${commit.id} cannot be fetched from ${connection.address.url}`, {
    code: 'missing-object',
    remedy: 'run "llm-bridge doctor" on the server',
  });
}

/**
 * Fetches through a second repository, so that the shallow edge of the clone stays where it is. The objects
 * go into the clone.
 */
async function fetchDownTo(
  { clone, connection }: LeavingOut,
  commit: string,
  {
    leavesOutBytes,
    spare,
    signal,
  }: {
    readonly leavesOutBytes: number | undefined;
    readonly spare: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const since = await gitText(clone, ['rev-list', '--count', `${commit}..${REMOTE_MAIN_REF}`]);
  const folder = path.join(clone.gitDir, 'large-files.git');
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  const env = { ...clone.env, GIT_OBJECT_DIRECTORY: path.join(clone.gitDir, 'objects') };
  try {
    const made = await openClone(folder, env, clone.ownIds);
    const beside = leavesOutBytes === undefined ? made : { ...made, leavesOutBytes };
    await fetchMain(beside, connection.address.url, { depth: Number(since) + 1 + spare }, signal);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
