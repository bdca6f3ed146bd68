import os from 'node:os';
import path from 'node:path';
import { parseAddress } from '../../bridge/address.js';
import { closeConnection, openConnection } from '../../bridge/connection.js';
import { profilesFile, readProfiles, saveProfile } from '../../bridge/profiles.js';
import type { SshConnection } from '../../bridge/run-ssh.js';
import { readRemoteRef } from '../../git/porcelain.js';
import { shellQuote } from '../../process/shell-quote.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import type { Hello } from '../../protocol/hello.js';
import { MAIN_REF, type Principal } from '../../protocol/names.js';
import { learnHostKey, trustHostKey } from './host-key.js';
import { bridgePathOf, letInLine, letInVia, waitUntilLetIn } from './let-in.js';
import { ownKey } from './own-key.js';
import { isSameBridge } from './profile-name.js';

/** The settings for `join`. */
export interface JoinOptions {
  readonly repo: string;
  /** The name of the key there, and its role. */
  readonly principal: Principal;
  /** The private key, made where it is missing. Default: `~/.ssh/llm-bridge-<profile>`. */
  readonly identity?: string | undefined;
  /** The name to save the bridge by. */
  readonly profile: string;
  /** A person's own login on the server, over which the key is let in. */
  readonly via?: string | undefined;
  readonly acceptNewHostKey: boolean;
  /** Wait until the key is let in. */
  readonly wait: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** A folder for temporary files. */
  readonly temporary: string;
  readonly signal: AbortSignal;
  /** Tells what was done, in one line. */
  say(text: string): Promise<void>;
  /** Asks whether a host key is the server's; null where nobody can be asked. */
  confirm(question: string): Promise<boolean | null>;
  /**
   * Shows the line to paste on the server, and as whom; `check` is what root runs there where that did not
   * help.
   */
  paste(line: string, owner: string | null, check: string): Promise<void>;
}

/** A bridge that this machine has joined. */
export interface Joined {
  readonly repo: string;
  readonly identity: string;
  /** What the server says of the key. */
  readonly hello: Hello;
}

/**
 * Lets this machine into a bridge: a key of its own, the host key of the server, the line that lets the key
 * in, and a saved profile. Each step says what it did, and is passed over where it was done before, so a
 * join that was stopped goes on from there. Null where the key is not let in yet, and that is not waited
 * for. Throws BridgeError where a step fails, and the reason of the signal.
 */
export async function join(options: JoinOptions): Promise<Joined | null> {
  const { repo, principal, profile, env, signal, say } = options;
  const address = parseAddress(repo);
  if (address.kind !== 'ssh') {
    throw new BridgeError(`${repo} is ${address.kind === 'local' ? 'on this machine' : 'not behind ssh'}`, {
      code: 'usage',
      remedy:
        address.kind === 'local'
          ? 'its owner needs no key: give the path as --repo, or stand in it'
          : 'give its address as ssh://bridge@server/srv/llm-bridge/bridge.git',
    });
  }
  const repoPath = bridgePathOf(address);
  const wanted = options.identity ?? path.join(os.homedir(), '.ssh', `llm-bridge-${profile}`);
  const key = await ownKey(wanted, principal.name);
  await say(`${key.isNew ? 'made' : 'kept'} the key ${key.identityFile}`);

  const ssh = { identity: key.identityFile, acceptNewHostKey: options.acceptNewHostKey };
  const connection = await openConnection(repo, env, ssh);
  // It is there, because the address is one of ssh.
  const over = connection.ssh as SshConnection;
  try {
    await trustServer(over, options);
    let hello = await waitUntilLetIn(over, { signal, tries: 1 });
    if (hello === 'refused') {
      const line = letInLine(repoPath, principal, key.publicKey);
      const { destination } = address;
      const owner = destination.includes('@') ? destination.slice(0, destination.lastIndexOf('@')) : null;
      const check = `llm-bridge init ${shellQuote(repoPath)} --system --user ${owner ?? 'bridge'}`;
      const { via, acceptNewHostKey } = options;
      if (via === undefined) await options.paste(line, owner, check);
      else await letInVia({ via, address, acceptNewHostKey, env }, line);
      if (!options.wait) return null;
      hello = await waitUntilLetIn(over, { signal });
    }
    if (hello === null || hello === 'refused') throw notABridge(address.destination);
    requireAsWanted(hello, principal, repoPath);
    await requireAtPath(connection.env, address.url);
    await say(`the server lets it in as ${hello.name}, with the role ${hello.role}`);
    const joined = { repo: address.url, identity: key.identityFile, hello };
    const file = profilesFile(env);
    const before = readProfiles(file).profiles[profile]?.repo;
    await saveProfile(file, profile, { repo: joined.repo, identity: joined.identity });
    const isReplaced = before !== undefined && !isSameBridge(before, joined.repo);
    await say(`saved as ${profile} in ${file}${isReplaced ? `, in the place of ${before}` : ''}`);
    return joined;
  } finally {
    await closeConnection(connection);
  }
}

async function trustServer(connection: SshConnection, options: JoinOptions): Promise<void> {
  const { say, confirm } = options;
  const found = await learnHostKey(connection, options.temporary);
  if (found.status !== 'new') {
    const isKnown = found.status === 'known';
    return say(`the host key of the server ${isKnown ? 'is known' : 'was new, and is trusted from now on'}`);
  }
  const { destination } = connection.address;
  const isTheirs = await confirm(
    `The key of ${destination} is ${found.fingerprint}. On the server, ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints it. Is it the same?`,
  );
  if (isTheirs === true) {
    await trustHostKey(found);
    return say(`trusts the host key ${found.fingerprint} from now on`);
  }
  throw new BridgeError(
    isTheirs === null
      ? `the server is not known here, and nobody can be asked: its key is ${found.fingerprint}`
      : `the key ${found.fingerprint} is not trusted`,
    {
      code: 'ssh-host-key',
      remedy:
        isTheirs === null
          ? 'compare it with what the server says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then add --accept-new-host-key'
          : 'find out who answers there: name, port and network in between',
    },
  );
}

function requireAsWanted(hello: Hello, { name, role }: Principal, repoPath: string): void {
  if (hello.role === role) return;
  throw new BridgeError(`the key is let in as ${hello.name}, with the role ${hello.role}`, {
    code: 'role',
    remedy: `join with --role ${hello.role}; for both roles here, with a key of its own: --profile ${name}; or on the server: llm-bridge key remove ${hello.name} --repo ${shellQuote(repoPath)}, then run this again as ${name}`,
  });
}

/**
 * Reads the bridge at that very path. The server says hello to a key whatever path was typed, and a profile
 * with a wrong path would take the place of a right one.
 */
async function requireAtPath(env: NodeJS.ProcessEnv, url: string): Promise<void> {
  try {
    await readRemoteRef(env, url, MAIN_REF);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'refused') throw error;
    throw new BridgeError(error.message, {
      code: error.code,
      remedy: `check the path: ${error.remedy}; another bridge on that server takes a key of its own: --profile NAME`,
      cause: error,
    });
  }
}

function notABridge(destination: string): BridgeError {
  return new BridgeError(`${destination} lets the key in, and to no bridge`, {
    code: 'not-a-bridge',
    remedy: 'use a key of its own: leave out --identity, or take its line out of authorized_keys there',
  });
}
