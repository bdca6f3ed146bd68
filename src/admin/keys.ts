import { rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { forgetAgent } from '../bridge/forget-agent.js';
import { openLocalBridge } from '../bridge/local-bridge.js';
import { principalFile, readRole } from '../bridge/principals.js';
import type { Repository } from '../git/run-git.js';
import { withFileLock } from '../process/file-lock.js';
import { GROUP_MODES, makeGroupFolder } from '../process/group-files.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type Principal, type Role, requireName } from '../protocol/names.js';
import {
  findKeyLines,
  formatKeyLine,
  fromBytes,
  hasKey,
  readAuthorizedKeys,
  toBytes,
  withFingerprint,
  writeAuthorizedKeys,
} from './authorized-keys.js';
import { endSessions } from './end-sessions.js';
import { fingerprint, type PublicKey, publicKeyOf } from './public-key.js';

/** The bridge and its file of keys. */
export interface KeyStore {
  readonly repoPath: string;
  /** Absolute path of the `authorized_keys` file of the user who owns the bridge. */
  readonly authorizedKeysFile: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Names that an older `key add` accepted, before it knew which names git accepts in a ref and as an author.
 */
const NAME_OF_BEFORE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * A key as `key list` shows it. `role` is null where the name was removed from the bridge but its line still
 * stands.
 */
export interface ListedKey {
  readonly name: string;
  readonly role: Role | null;
  readonly fingerprint: string;
}

/**
 * Lets a key into the bridge with a name and a role; returns the line of `authorized_keys`. `key` is the
 * file of the public key, or its text. The same key, added again, gets the role that is given now. Throws
 * BridgeError `usage` (a bad name), `bad-key`, `key-exists` (the key has another purpose), `name-taken`.
 */
export async function addKey(store: KeyStore, key: Principal & { readonly key: string }): Promise<string> {
  requireName(key.name, 'a key');
  const repoPath = await openStore(store);
  const publicKey = await publicKeyOf(key.key);
  return withKeysLock(repoPath, () => addLine(store, repoPath, key, publicKey));
}

async function addLine(
  store: KeyStore,
  repoPath: string,
  key: Principal,
  publicKey: PublicKey,
): Promise<string> {
  const line = formatKeyLine(repoPath, key.name, publicKey);
  const text = await readAuthorizedKeys(store.authorizedKeysFile);
  const mine = findKeyLines(text, repoPath).find((one) => one.name === key.name);
  if (mine !== undefined && mine.key.blob !== publicKey.blob) {
    throw new BridgeError(`the name ${key.name} is taken by another key`, {
      code: 'name-taken',
      remedy: `llm-bridge key remove ${key.name} first, or choose another name`,
    });
  }
  if (mine === undefined && hasKey(text, publicKey)) {
    throw new BridgeError(
      `this key stands in ${store.authorizedKeysFile} already, for another purpose or name`,
      {
        code: 'key-exists',
        remedy:
          'make a key of its own for the bridge: ssh-keygen -t ed25519 -f llm-bridge; sshd heeds only the first line of a key',
      },
    );
  }
  // The role first: between the two writes the key is still shut out, never let in without a role.
  const file = principalFile(repoPath, key.name);
  await makeGroupFolder(path.dirname(file));
  await writeFileAtomic(file, `${key.role} ${fingerprint(publicKey)}\n`, { mode: GROUP_MODES.file });
  if (mine === undefined) {
    const separator = text === '' || text.endsWith('\n') ? '' : '\n';
    await writeAuthorizedKeys(store.authorizedKeysFile, `${text}${separator}${toBytes(line)}\n`);
    return line;
  }
  const renewed = withFingerprint(mine, repoPath);
  if (renewed !== mine.line) {
    const lines = text.split('\n').map((one) => (one === mine.line ? renewed : one));
    await writeAuthorizedKeys(store.authorizedKeysFile, lines.join('\n'));
  }
  return fromBytes(renewed);
}

/** The keys of the bridge, in the order of the file. */
export async function listKeys(store: KeyStore): Promise<ListedKey[]> {
  const repoPath = await openStore(store);
  const text = await readAuthorizedKeys(store.authorizedKeysFile);
  return findKeyLines(text, repoPath).map(({ name, key }) => ({
    name,
    role: readRole(repoPath, name),
    fingerprint: fingerprint(key),
  }));
}

/**
 * Shuts a key out, at once and also on open connections, and deletes its presence, models and claims.
 * Returns the line that was removed, or null where only the name was known. Throws BridgeError
 * `no-such-key`.
 */
export async function removeKey(store: KeyStore, name: string): Promise<string | null> {
  // A name that is no longer valid can only be removed.
  if (!NAME_OF_BEFORE.test(name)) requireName(name, 'a key');
  const { repo } = await openLocalBridge(store.repoPath, { env: store.env, asOwner: true });
  return withKeysLock(repo.gitDir, () => removeLines(store, repo, name));
}

async function removeLines(store: KeyStore, repo: Repository, name: string): Promise<string | null> {
  const repoPath = repo.gitDir;
  const text = await readAuthorizedKeys(store.authorizedKeysFile);
  const mine = findKeyLines(text, repoPath).filter((one) => one.name === name);
  if (mine.length === 0 && readRole(repoPath, name) === null) {
    // An earlier removal was killed before this.
    if ((await forgetAgent(repo, name)).length > 0) return null;
    throw new BridgeError(`the bridge has no key named ${name}`, {
      code: 'no-such-key',
      remedy: 'llm-bridge key list shows the names',
    });
  }
  // The role goes first: the forced command and the hook read it each time, while sshd's line counts only
  // for new connections.
  await rm(principalFile(repoPath, name), { force: true });
  if (mine.length > 0) {
    const gone = new Set(mine.map((one) => one.line));
    const kept = text.split('\n').filter((line) => !gone.has(line));
    await writeAuthorizedKeys(store.authorizedKeysFile, kept.join('\n'));
  }
  // After the role is gone, so that no new session can start: the forced command finds no role any more.
  await endSessions(repoPath, name);
  // After the sessions, or one of them could write its presence, models or claims once more.
  await forgetAgent(repo, name);
  return mine[0] === undefined ? null : fromBytes(mine[0].line);
}

/**
 * The file is read, changed and written as a whole, so two processes at once would lose one of the lines.
 */
function withKeysLock<T>(repoPath: string, job: () => Promise<T>): Promise<T> {
  return withFileLock(path.join(repoPath, 'bridge', 'keys.lock'), job);
}

async function openStore(store: KeyStore): Promise<string> {
  const { repo } = await openLocalBridge(store.repoPath, { env: store.env, asOwner: true });
  return repo.gitDir;
}
