import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { clientGitEnv } from '../git/git-env.js';
import type { Repository } from '../git/run-git.js';
import { readSmallFile } from '../process/durable-file.js';
import { updateHere } from '../process/own-package.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { type BridgeSettings, readBridgeSettings } from './bridge-settings.js';

/** A bridge repository on this machine. */
export interface LocalBridge {
  /** `gitDir` is absolute. The owner writes objects into it without a git process for each. */
  readonly repo: Repository;
  readonly settings: BridgeSettings;
}

/**
 * Opens a bridge by its path. With `asOwner`, another user's bridge is refused before anything is written:
 * new files of a second owner would lock out the first. A bridge of another protocol is not opened, because
 * its log has other records. Its hooks go on working, so nothing is lost. Throws BridgeError
 * `no-such-repository`, `not-a-bridge`, `damaged-config`, `other-owner`, `older-bridge`, `newer-bridge`, or
 * as readBridgeSettings does.
 */
export async function openLocalBridge(
  repoPath: string,
  options: { readonly env: NodeJS.ProcessEnv; readonly asOwner: boolean },
): Promise<LocalBridge> {
  const gitDir = path.resolve(repoPath);
  const stats = await stat(gitDir).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'EACCES'
      ? otherOwner(gitDir, cause)
      : new BridgeError(`there is no repository at ${gitDir}`, {
          code: 'no-such-repository',
          remedy: `check the path, or make it: llm-bridge init ${shellQuote(gitDir)}`,
          cause,
        });
  });
  const repo = { gitDir, env: clientGitEnv(options.env) };
  const settings = stats.isDirectory() ? await settingsAt(repo) : null;
  if (settings === null || settings.version === null) {
    const unreadable = stats.isDirectory() && !isOwner(stats.uid);
    if (unreadable) throw otherOwner(gitDir, undefined, stats.uid);
    if (looksLikeBridge(gitDir)) throw lostConfig(gitDir);
    throw new BridgeError(`${gitDir} is not a bridge repository`, {
      code: 'not-a-bridge',
      remedy: 'give the path that "llm-bridge init" was given; it usually ends in .git',
    });
  }
  if (options.asOwner && !isOwner(stats.uid)) throw otherOwner(gitDir, undefined, stats.uid);
  requireProtocol(gitDir, settings.version);
  const { ids } = settings;
  return {
    repo: isOwner(stats.uid) && ids !== null ? { ...repo, ownIds: ids, groupReads: true } : repo,
    settings,
  };
}

/** Throws BridgeError `older-bridge` or `newer-bridge` where a bridge is of another protocol than this. */
function requireProtocol(gitDir: string, version: number): void {
  if (version > PROTOCOL_VERSION) throw newerBridge(gitDir, version);
  if (version === PROTOCOL_VERSION) return;
  throw new BridgeError(
    `the bridge ${gitDir} is of protocol ${version}, this llm-bridge of ${PROTOCOL_VERSION}; what is in it stays`,
    { code: 'older-bridge', remedy: `its owner brings it up to date: llm-bridge init ${shellQuote(gitDir)}` },
  );
}

/** The error for a bridge that a later version of this program made. */
export function newerBridge(gitDir: string, version: number): BridgeError {
  return new BridgeError(
    `${gitDir} was made by a newer llm-bridge (protocol ${version}, this one knows ${PROTOCOL_VERSION})`,
    { code: 'newer-bridge', remedy: updateHere() },
  );
}

async function settingsAt(repo: Repository): Promise<BridgeSettings> {
  try {
    return await readBridgeSettings(repo);
  } catch (error) {
    // git may not even read what a power cut leaves of a config.
    if (isDamagedConfig(repo.gitDir) && looksLikeBridge(repo.gitDir)) throw lostConfig(repo.gitDir);
    throw error;
  }
}

/** Whether everything but its config says that this is a bridge. Only a bridge has `bridge/ssh-command`. */
export function looksLikeBridge(gitDir: string): boolean {
  return ['bridge/ssh-command', 'bridge/principals', 'objects'].every((name) =>
    existsSync(path.join(gitDir, name)),
  );
}

/**
 * Whether the config of a repository is missing, or what a power cut leaves of it: empty, or with a NUL
 * byte.
 */
export function isDamagedConfig(gitDir: string): boolean {
  const text = readSmallFile(path.join(gitDir, 'config'));
  return text === null || text.trim() === '' || text.includes('\0');
}

function lostConfig(gitDir: string): BridgeError {
  return new BridgeError(`the config of ${gitDir} is empty or damaged, and nothing is served without it`, {
    code: 'damaged-config',
    remedy: `llm-bridge init ${shellQuote(gitDir)} writes it again; then set again what was your own (git config bridge.answersLog …)`,
  });
}

/** Whether a file of this user id is this user's own. Always true where there are no user ids (Windows). */
export function isOwner(uid: number): boolean {
  const own = process.getuid?.();
  return own === undefined || own === uid;
}

/**
 * The error for a bridge that this user may not, or cannot, open by its path. `uid`: its owner, if known.
 */
export function otherOwner(gitDir: string, cause?: unknown, uid?: number): BridgeError {
  const isRoot = process.getuid?.() === 0 && uid !== undefined;
  return new BridgeError(`the repository ${gitDir} belongs to another user`, {
    code: 'other-owner',
    remedy: isRoot
      ? `run the same as its owner: sudo -u '#${uid}' -H llm-bridge … --repo ${shellQuote(gitDir)}`
      : 'come in over SSH with a key of your own: its owner runs "llm-bridge key add <name> --role asker --key FILE.pub", you use --repo ssh://…',
    cause,
  });
}
