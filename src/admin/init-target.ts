import { readdir, stat } from 'node:fs/promises';
import { readBridgeSettings } from '../bridge/bridge-settings.js';
import { isDamagedConfig, isOwner, looksLikeBridge, newerBridge } from '../bridge/local-bridge.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';

/**
 * What is at the path where a bridge is to be made. Throws BridgeError for what no bridge can be made of.
 * `owner`: the user for whom root looks; its id is null before it is made.
 */
export async function whatIsAt(
  target: string,
  env: NodeJS.ProcessEnv,
  owner?: { readonly uid: number | null; readonly name: string },
): Promise<'nothing' | 'empty-folder' | 'bridge' | 'bridge-without-config'> {
  const stats = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    if (error.code === 'ENOTDIR') throw somethingElse(target, 'part of it is a file');
    if (error.code === 'EACCES') throw behindShutDoor(target, error);
    return noPermission(target)(error);
  });
  if (stats === null) return 'nothing';
  if (!stats.isDirectory()) throw somethingElse(target, 'it is a file');
  if (owner !== undefined && owner.uid !== stats.uid) {
    throw new BridgeError(`${target} is there, and not the folder of ${owner.name}`, {
      code: 'other-owner',
      remedy: `for the user whose it is: --user "$(id -nu ${stats.uid})"; or give a path that does not exist yet`,
    });
  }
  if (owner === undefined && !isOwner(stats.uid)) {
    throw new BridgeError(`${target} belongs to another user`, {
      code: 'other-owner',
      remedy: `run this as its owner: sudo -u '#${stats.uid}' llm-bridge init ${shellQuote(target)}`,
    });
  }
  const entries = await readdir(target);
  if (entries.length === 0) return 'empty-folder';
  const isOurs = looksLikeBridge(target);
  const settings = await readBridgeSettings({ gitDir: target, env }).catch((error: unknown) => {
    // git may not be able to read what a power cut leaves of a config.
    if (isOurs && isDamagedConfig(target)) return { version: null };
    throw error;
  });
  if (settings.version !== null && settings.version > PROTOCOL_VERSION) {
    throw newerBridge(target, settings.version);
  }
  if (settings.version !== null) return 'bridge';
  if (isOurs) return 'bridge-without-config';
  if (entries.includes('.git')) throw somethingElse(target, 'it is a work tree with a repository of its own');
  if (entries.includes('HEAD') && entries.includes('objects')) {
    throw somethingElse(target, 'it is a git repository, but no bridge');
  }
  throw somethingElse(target, 'it is a folder with other files in it');
}

/**
 * Paths go into ssh commands, sh files and authorized_keys, where a quote or a line break would be syntax.
 * git quotes `!` in its own way when it asks for a repository, so ssh-command would not find the text it
 * compares with.
 */
export function requirePlainPath(target: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what this refuses
  if (!/['"\\$`!\u0000-\u001f\u007f]/.test(target) && target !== '/') return;
  throw new BridgeError(`${JSON.stringify(target)} cannot be the path of a bridge`, {
    code: 'bad-path',
    remedy:
      'use a path without quotes, backslashes, "$", "!" and control characters: /srv/llm-bridge/bridge.git',
  });
}

/** The error for a path that something other than a bridge has taken. */
export function somethingElse(target: string, what: string): BridgeError {
  return new BridgeError(`${target} is taken: ${what}`, {
    code: 'not-a-bridge',
    remedy: 'give a path that does not exist yet, or that of a bridge: /srv/llm-bridge/bridge.git',
  });
}

/** The error for a path behind a folder that this user may not enter: nobody can say what is there. */
function behindShutDoor(target: string, cause: NodeJS.ErrnoException): BridgeError {
  return new BridgeError(`cannot look at ${target}: a folder above it is closed to you`, {
    code: 'no-permission',
    remedy: 'if a bridge is there, its owner runs this; for one of your own give a path in your own folder',
    cause,
  });
}

/** Throws BridgeError `no-permission` for a folder that cannot be written to. */
export function noPermission(folder: string) {
  return (cause: NodeJS.ErrnoException): never => {
    throw new BridgeError(`cannot write to ${folder} (${cause.code ?? cause.message})`, {
      code: 'no-permission',
      remedy: `make it first, as root: install -d -o "$USER" -m 750 ${shellQuote(folder)}`,
      cause,
    });
  };
}
