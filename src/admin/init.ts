import { access, constants, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { readBridgeSettings } from '../bridge/bridge-settings.js';
import { STREAMS_FOLDER } from '../bridge/stream-folder.js';
import { writeBlob } from '../git/commit-file.js';
import { clientGitEnv } from '../git/git-env.js';
import { emailOf } from '../git/git-objects.js';
import { requireGit } from '../git/git-version.js';
import { updateRefs } from '../git/refs.js';
import { gitFailed, gitText, type Repository, spawnGit } from '../git/run-git.js';
import { rebuildLog } from '../log/rebuild-log.js';
import { makeGroupFolder } from '../process/group-files.js';
import { isRunning } from '../process/is-running.js';
import { ownNode } from '../process/own-node.js';
import { PACKAGE_FILES } from '../process/own-package.js';
import { MAIN_REF, PROTOCOL_VERSION } from '../protocol/names.js';
import { applySettings, writeSettings } from './apply-settings.js';
import { noPermission, requirePlainPath, somethingElse, whatIsAt } from './init-target.js';
import { installHooks } from './install-hooks.js';
import { restoreConfig } from './restore-config.js';
import { openToGroup, settleModes } from './settle-modes.js';
import { toolPath } from './tool-path.js';

/** The result of init. */
export interface InitResult {
  /** Absolute path of the bridge. */
  readonly repoPath: string;
  readonly answersLog: string;
  /** `created`, `upgraded` (hooks or settings changed), or `unchanged`. */
  readonly status: 'created' | 'upgraded' | 'unchanged';
  /** Files and settings that an upgrade changed. */
  readonly changed: readonly string[];
  /** Where the bridge had an older protocol: its version, and the files of its old log, which are kept. */
  readonly upgrade: { readonly from: number; readonly aside: readonly string[] } | null;
}

/**
 * Makes a bridge repository at `repoPath`. Of an existing one it updates the hooks, settings, folders and
 * modes; where that has an older protocol, its log is written again. A new one is made in another folder and
 * moved into place, so there is never half a bridge. Throws BridgeError `not-a-bridge` (something else is
 * there), `newer-bridge`, `other-owner`, `bad-path`, `no-permission`, `old-git`.
 */
export async function initBridge(repoPath: string, env: NodeJS.ProcessEnv): Promise<InitResult> {
  const target = path.resolve(repoPath);
  requirePlainPath(target);
  const gitEnv = clientGitEnv(env);
  const version = await requireGit(gitEnv);
  const there = await whatIsAt(target, gitEnv);
  const paths = { node: ownNode(), path: await toolPath(env) };

  if (there === 'bridge' || there === 'bridge-without-config') {
    const repo = { gitDir: target, env: gitEnv };
    const changed: string[] = [];
    if (there === 'bridge-without-config') {
      await restoreConfig(repo);
      changed.push('config, which was empty or damaged: set again what was your own there');
    }
    changed.push(...(await installHooks(target, paths)));
    const { version: from } = await readBridgeSettings(repo);
    const isOlder = from !== null && from < PROTOCOL_VERSION;
    // After the hooks, so that no old hook adds a line of the old form behind the new ones. Before the
    // settings, where `bridge.version` says that it is done: an init that was killed here does it again.
    const upgrade = isOlder ? { from, aside: await rewriteLog(repo, from) } : null;
    changed.push(...(await applySettings(repo)), ...(await makeBridgeFolders(target)));
    if ((await openToGroup(target)) > 0) changed.push('modes');
    const { answersLog } = await readBridgeSettings(repo);
    const status = changed.length > 0 ? 'upgraded' : 'unchanged';
    return { repoPath: target, answersLog, status, changed, upgrade };
  }

  const parent = path.dirname(target);
  await makeGroupFolder(parent).catch(noPermission(parent));
  await access(parent, constants.W_OK).catch(noPermission(parent));
  await removeLeftDrafts(target);
  const draft = draftOf(target, process.pid);
  try {
    await gitInit(draft, gitEnv, version);
    const repo: Repository = { gitDir: draft, env: gitEnv };
    await writeSettings(repo);
    await applySettings(repo);
    await makeBridgeFolders(draft);
    await installHooks(draft, paths);
    await writeFirstCommit(repo);
    // The group may read the log; others may read nothing: questions and answers are private.
    await (await open(path.join(draft, 'bridge', 'answers.log'), 'wx')).close();
    await settleModes(draft);
    if (there === 'nothing') await rename(draft, target).catch(notPlaced(target));
    else await fillFolder(draft, target).catch(notPlaced(target));
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  return {
    repoPath: target,
    answersLog: path.join(target, 'bridge', 'answers.log'),
    status: 'created',
    changed: [],
    upgrade: null,
  };
}

/**
 * Writes the log of an older bridge again in the form of this protocol, because its lines have other fields.
 * Returns the files in which the old lines are kept, those of an earlier init that was killed included.
 */
async function rewriteLog(repo: Repository, from: number): Promise<string[]> {
  const ending = `.protocol-${from}`;
  await rebuildLog(repo, { now: Date.now, asideEnding: ending });
  const { answersLog } = await readBridgeSettings(repo);
  const folder = path.dirname(answersLog);
  const names = await readdir(folder);
  return names
    .filter((name) => name.startsWith(path.basename(answersLog)) && name.includes(ending))
    .sort()
    .map((name) => path.join(folder, name));
}

/** Makes the folders that the owner and the programs of the bridge fill; returns those that were missing. */
async function makeBridgeFolders(gitDir: string): Promise<string[]> {
  await makeGroupFolder(path.join(gitDir, 'bridge', 'principals'));
  const made: string[] = [];
  for (const folder of ['bridge/on-answer.d', STREAMS_FOLDER])
    if (await makeGroupFolder(path.join(gitDir, folder))) made.push(folder);
  return made;
}

/** Where a bridge is made before it is moved into place. */
function draftOf(target: string, pid: number): string {
  return path.join(path.dirname(target), `.${path.basename(target)}.init-${pid}`);
}

/** Removes what killed inits of this bridge left behind; an init that still runs keeps its folder. */
async function removeLeftDrafts(target: string): Promise<void> {
  const prefix = path.basename(draftOf(target, 0)).slice(0, -1);
  for (const name of await readdir(path.dirname(target))) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    if (!Number.isSafeInteger(pid) || pid <= 0 || (pid !== process.pid && isRunning(pid))) continue;
    await rm(draftOf(target, pid), { recursive: true, force: true });
  }
}

/**
 * Moves a bridge into an existing folder. The folder itself and its mode stay, and so do the processes whose
 * working directory it is. `config`, which makes it a bridge, comes last.
 */
async function fillFolder(draft: string, target: string): Promise<void> {
  const names = (await readdir(draft)).filter((name) => name !== 'config');
  for (const name of [...names, 'config']) await rename(path.join(draft, name), path.join(target, name));
  await rmdir(draft);
}

function notPlaced(target: string) {
  return (cause: NodeJS.ErrnoException): never => {
    throw somethingElse(target, `it could not be put there (${cause.code ?? cause.message})`);
  };
}

async function gitInit(
  gitDir: string,
  env: NodeJS.ProcessEnv,
  [major, minor]: readonly [number, number],
): Promise<void> {
  // git 2.39 refuses --ref-format. From 2.45 on we need it, because a reftable has no reflog file for the
  // doorbell.
  const refFormat = major > 2 || minor >= 45 ? ['--ref-format=files'] : [];
  const args = ['init', '--bare', '--quiet', '--template=', '--initial-branch=main', ...refFormat, gitDir];
  const result = await spawnGit(args, env);
  if (result.exitCode !== 0) throw gitFailed(args, result);
}

/**
 * Makes the root of `main` from `bridge-repo-template/`: a README for whoever clones it, and no message yet.
 * Everything later is a commit on top of it.
 */
async function writeFirstCommit(repo: Repository): Promise<void> {
  const lines: string[] = [];
  for (const name of (await readdir(PACKAGE_FILES.template)).sort()) {
    const blob = await writeBlob(repo, await readFile(path.join(PACKAGE_FILES.template, name)));
    lines.push(`100644 blob ${blob}\t${name}\n`);
  }
  const tree = (await gitText(repo, ['mktree'], { input: lines.join('') })).trim();
  const by = { name: 'llm-bridge', email: emailOf('llm-bridge') };
  const author = { GIT_AUTHOR_NAME: by.name, GIT_AUTHOR_EMAIL: by.email };
  const env = { ...repo.env, ...author, GIT_COMMITTER_NAME: by.name, GIT_COMMITTER_EMAIL: by.email };
  const commit = await gitText({ ...repo, env }, ['commit-tree', tree], { input: 'Make a bridge\n' });
  await updateRefs({ ...repo, env }, [{ ref: MAIN_REF, to: commit.trim(), from: null }], 'llm-bridge init');
}
