import { setTimeout as sleep } from 'node:timers/promises';
import { type BridgeConnection, connectBridge } from '../bridge/connection.js';
import { requireFile } from '../bridge/large-files.js';
import { fetchSince } from '../bridge/update-clone.js';
import { writeFileCommit } from '../git/commit-file.js';
import { fetchMain, REMOTE_MAIN_REF } from '../git/fetch.js';
import type { CommitIdentity } from '../git/git-objects.js';
import { openObjectReader } from '../git/object-reader.js';
import { pushCommit } from '../git/push.js';
import { readHistory } from '../git/read-history.js';
import { readRef } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { HistoryCommit } from '../protocol/history.js';
import { CANCEL_FILE, shortId } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { Committed } from './commit-local.js';
import type { Submission } from './submission.js';

/**
 * The most tries, for lost races and broken connections together. The pauses between them take some 13 s.
 */
const MAX_TRIES = 12;

/** After this many tries, a fault of the server's own counts as final. */
const MAX_INTERNAL = 3;

/** The bridge that a message goes to, and who writes it. */
export interface RemoteCommitContext {
  readonly connection: BridgeConnection;
  /** A clone that has its tip at REMOTE_MAIN_REF. */
  readonly clone: Repository;
  readonly ttlMs: number;
  /** The author, with the time of the server. */
  readonly by: () => CommitIdentity;
  /** The commits that were pushed, for who calls again with a clone that was made again. Default: none. */
  readonly tried?: Set<string>;
}

/**
 * Commits a message to a remote bridge, through a clone. If the reply to a push was lost, we look for the
 * commit on main before we push again. So a broken connection never asks twice. Throws BridgeError `stopped`
 * with the id that the task may have, where somebody stopped it after its push began.
 */
export async function commitRemote(
  { connection, clone, ttlMs, by, tried = new Set() }: RemoteCommitContext,
  submission: Submission,
  signal?: AbortSignal,
): Promise<Committed> {
  const { url } = connection.address;
  const reader = openObjectReader(clone);
  const required = (commit: HistoryCommit) => requireFile({ clone, connection }, commit, { signal });
  let lastError: unknown = null;
  try {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      if (attempt > 0)
        await sleep((0.5 + Math.random()) * Math.min(200 * attempt, 5000), undefined, { signal });
      try {
        await connectBridge(connection, signal);
        if (attempt > 0) await fetchMain(clone, url, {}, signal);
        const arrived = tried.size === 0 ? null : await findArrived(clone, tried);
        if (arrived !== null) return { id: arrived, isNew: false };
        if (await submission.needsHistory(clone, REMOTE_MAIN_REF))
          await fetchSince(clone, url, by().atMs - ttlMs, signal);
        const parent = await readRef(clone, REMOTE_MAIN_REF);
        if (parent === null) throw new Error('the clone lost its main');
        const made = await submission.compose({ repo: clone, reader, requireFile: required }, parent);
        if ('done' in made) return { id: made.done, isNew: false };
        const { file } = submission;
        const commit = await writeFileCommit(clone, reader, { parent, file, ...made, by: by() });
        signal?.throwIfAborted();
        tried.add(commit);
        const outcome = await pushCommit({ repo: clone, url, signal }, commit);
        if (outcome.status === 'pushed') return { id: commit, isNew: true };
        if (outcome.status === 'refused') throw refusedByBridge(file, outcome.refusal, attempt);
        lastError = null;
      } catch (error) {
        if (!(error instanceof BridgeError && error.retryable)) throw error;
        lastError = error;
      }
    }
  } catch (error) {
    throw stoppedOnItsWay(submission, [...tried].at(-1), signal) ?? error;
  } finally {
    reader.close();
  }
  throw (
    lastError ??
    new BridgeError(`${url} is so busy that the message could not be put in between`, {
      code: 'busy',
      remedy: 'try again in a moment',
      retryable: true,
    })
  );
}

/**
 * What to tell whoever stopped a push: the server may have taken the task already, and to run the command
 * again would ask it twice. Null where nothing was pushed, and for a cancel: twice is once there.
 */
function stoppedOnItsWay(
  { file }: Submission,
  last: string | undefined,
  signal: AbortSignal | undefined,
): BridgeError | null {
  const why: unknown = signal?.reason;
  if (last === undefined || file === CANCEL_FILE) return null;
  if (!(why instanceof BridgeError && why.code === 'stopped')) return null;
  return new BridgeError(
    `${why.message} while the task was on its way: it may be asked, as ${shortId(last)}`,
    {
      code: 'stopped',
      remedy: `llm-bridge answer ${shortId(last)}; if there is no such task, ${why.remedy}`,
    },
  );
}

async function findArrived(clone: Repository, tried: ReadonlySet<string>): Promise<string | null> {
  const commits = await readHistory(clone, { from: [REMOTE_MAIN_REF] });
  return commits.find((commit) => tried.has(commit.id))?.id ?? null;
}

/** The error for a message that the bridge refused. `attempt`: how many tries came before, 0 for none. */
export function refusedByBridge(file: string, refusal: Refusal, attempt: number): BridgeError {
  return new BridgeError(
    `the bridge refused ${file === CANCEL_FILE ? 'the cancel' : 'the task'}: ${refusal.text}`,
    {
      code: `refused-${refusal.code}`,
      remedy: refusal.remedy,
      // A hook that was killed works again at the next push; a broken one stays broken.
      retryable: refusal.code === 'internal' && attempt < MAX_INTERNAL,
    },
  );
}
