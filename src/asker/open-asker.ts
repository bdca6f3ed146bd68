import { updateClone } from '../bridge/clone.js';
import {
  type BridgeConnection,
  type BridgeTerms,
  connectBridge,
  ownTerms,
  readTerms,
} from '../bridge/connection.js';
import { openLocalBridge } from '../bridge/local-bridge.js';
import { type WhoWorks, whoWorks } from '../bridge/side-refs.js';
import { TemporaryClone } from '../bridge/temporary-clone.js';
import { fetchMain, REMOTE_MAIN_REF, REMOTE_PREFIX } from '../git/fetch.js';
import { openObjectReader } from '../git/object-reader.js';
import { readRef } from '../git/refs.js';
import { type Repository, runGit } from '../git/run-git.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { MAIN_REF, requireName } from '../protocol/names.js';
import type { Submission } from './submission.js';
import { commitLocal, submitLocal } from './submit-local.js';
import { commitRemote, submitRemote } from './submit-remote.js';
import { loginName, type TaskDraft } from './task-draft.js';

/** More commits than any history has; git reads this depth as all of it. */
const WHOLE_DEPTH = 2_147_483_647;

/** An open bridge to ask on. */
export interface Asker {
  readonly terms: BridgeTerms;
  /** The repository in which to look for answers, and the ref there that is `main`. */
  readonly repo: Repository;
  readonly ref: string;
  /** The last known id of `main`; null where it may have moved without our knowledge. */
  tip(): string | null;
  /** Commits a task and returns its id. */
  submit(draft: TaskDraft, signal?: AbortSignal): Promise<string>;
  /** Commits any message. Returns its commit, or the one that says the same already. */
  commit(
    submission: Submission,
    signal?: AbortSignal,
  ): Promise<{ readonly id: string; readonly isNew: boolean }>;
  /** Fetches history as far back as tasks can be pending, or all of it, where it is not here. */
  reach(far: 'window' | 'all', signal?: AbortSignal): Promise<void>;
  /** Brings `ref` up to date; with `withClaims` also the claims and presences. */
  refresh(signal?: AbortSignal, withClaims?: boolean): Promise<void>;
  /** Does what reads from `repo`; once more where `repo` was damaged meanwhile and had to be made anew. */
  mended<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Who works on what, as of the last refresh with claims. */
  whoWorks(): Promise<WhoWorks>;
  close(): Promise<void>;
}

/**
 * Opens a bridge for asking. On this machine the repository itself is used. Elsewhere it is a clone of one
 * commit in a temporary folder, which nothing depends on. Throws BridgeError as openLocalBridge, readTerms
 * and fetchMain do, or `role`.
 */
export async function openAsker(
  connection: BridgeConnection,
  name?: string,
  signal?: AbortSignal,
): Promise<Asker> {
  if (name !== undefined) requireName(name, 'who asks');
  const asName = name ?? loginName();
  if (connection.address.kind === 'local') return openLocalAsker(connection, asName);
  const temporary = await TemporaryClone.open('ask', connection.env);
  try {
    const { url } = connection.address;
    await connectBridge(connection, signal);
    const [terms] = await Promise.all([
      readTerms(connection, signal),
      fetchMain(temporary.repo, url, { depth: 1 }, signal),
    ]);
    if (terms.principal?.role === 'agent') throw wrongRole(terms.principal.name);
    const by = () => ({ name: terms.principal?.name ?? asName, atMs: terms.serverNow() });
    let tip: string | null = null;
    const window = () => ({ nowMs: by().atMs, ttlMs: terms.taskTtlMs });
    /** Into a clone that was made anew: what the one before it had, and what came since. */
    const fill = async (inner?: AbortSignal) => {
      await updateClone(temporary.repo, connection, window(), inner);
      if (tip !== null && !(await isOnMain(temporary.repo, tip))) throw rewritten(url);
    };
    return {
      terms,
      get repo() {
        return temporary.repo;
      },
      ref: REMOTE_MAIN_REF,
      tip: () => tip,
      submit: async (draft, inner) => {
        const { task, isNew } = await submitRemote(
          temporary.repo,
          connection,
          draft,
          by,
          terms.taskTtlMs,
          inner,
        );
        if (isNew) tip = task;
        return task;
      },
      commit: (submission, inner) =>
        commitRemote(temporary.repo, connection, submission, by, terms.taskTtlMs, inner),
      reach: async (far, inner) => {
        await connectBridge(connection, inner);
        if (far === 'all') await fetchMain(temporary.repo, url, { depth: WHOLE_DEPTH }, inner);
        else await updateClone(temporary.repo, connection, { ...window(), shorten: true }, inner);
      },
      refresh: async (inner, sideRefs = false) => {
        await connectBridge(connection, inner);
        if ((await fetchMain(temporary.repo, url, { sideRefs }, inner)) === 'rewound') throw rewritten(url);
        tip = await readRef(temporary.repo, REMOTE_MAIN_REF);
      },
      mended: (work, inner) => temporary.use(work, () => fill(inner)),
      whoWorks: () => whoWorks(temporary.repo, REMOTE_PREFIX, terms.serverNow()),
      close: () => temporary.close(),
    };
  } catch (error) {
    await temporary.close();
    throw error;
  }
}

async function openLocalAsker(connection: BridgeConnection, name: string): Promise<Asker> {
  const { repo, settings } = await openLocalBridge(connection.address.url, {
    env: connection.env,
    asOwner: true,
  });
  await connectBridge(connection);
  const terms = ownTerms(settings);
  // Its git process may end while the answer is awaited.
  const reader = openObjectReader(repo, { idleMs: 1_000 });
  return {
    terms,
    repo,
    ref: MAIN_REF,
    tip: () => null,
    submit: (draft) =>
      submitLocal(repo, draft, { name, atMs: Date.now() }, terms.taskTtlMs, undefined, reader),
    commit: (submission) => commitLocal(repo, submission, { name, atMs: Date.now() }, undefined, reader),
    reach: async () => {},
    refresh: async () => {},
    mended: (work) => work(),
    whoWorks: () => whoWorks(repo, 'refs/bridge/', Date.now()),
    close: async () => reader.close(),
  };
}

async function isOnMain(repo: Repository, commit: string): Promise<boolean> {
  return (await runGit(repo, ['merge-base', '--is-ancestor', commit, REMOTE_MAIN_REF])).exitCode === 0;
}

function rewritten(url: string): BridgeError {
  return new BridgeError(`main of ${url} was rewound or rewritten while this waited; the task may be gone`, {
    code: 'history-rewritten',
    remedy: 'find out who rewrote the record, then ask again',
  });
}

function wrongRole(name: string): BridgeError {
  return new BridgeError(`the key ${name} has the role agent and cannot ask`, {
    code: 'role',
    remedy: 'use a key that was added with --role asker',
  });
}
