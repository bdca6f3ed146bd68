import { clientGitEnv } from '../git/git-env.js';
import { requireGit } from '../git/git-version.js';
import { clearTheWay } from '../git/repair-bridge.js';
import { type BridgeAddress, parseAddress } from './address.js';
import { withCredentials } from './credentials.js';
import { type Doorbell, openLocalDoorbell, openSshDoorbell, type Ring } from './doorbell.js';
import { planSharing } from './plan-sharing.js';
import type { SshConnection } from './run-ssh.js';
import { openSharedConnection } from './shared-connection.js';
import { readSshConfig } from './ssh-config.js';
import { impersonalOptions, type SshOptions, sshCommandOf, withOptions } from './ssh-settings.js';

/** Where a bridge is, and how to come in. */
export interface BridgeAccess {
  /** `ssh://user@host/path`, `user@host:path`, or a local path. */
  readonly repo: string;
  /** The environment for git and ssh. */
  readonly env: NodeJS.ProcessEnv;
  readonly ssh?: SshOptions | undefined;
}

/** The way to a bridge, wherever it is. Opening it connects to nobody yet; close it with closeConnection. */
export interface BridgeConnection {
  readonly address: BridgeAddress;
  /** The environment for git on our side, ssh command included. */
  readonly env: NodeJS.ProcessEnv;
  /** Null where there is no ssh to the bridge. */
  readonly ssh: SshConnection | null;
}

/** Reads an address and finds the ssh command. Throws BridgeError `usage`, `no-git`, `old-git`. */
export async function openConnection(
  repo: string,
  env: NodeJS.ProcessEnv,
  options: SshOptions = {},
): Promise<BridgeConnection> {
  const address = parseAddress(repo);
  const plainEnv = clientGitEnv(env);
  if (address.kind !== 'ssh') {
    await requireGit(plainEnv);
    const given = address.kind === 'other' ? address.credentials : undefined;
    const gitEnv = given === undefined ? plainEnv : withCredentials(plainEnv, given);
    return { address, env: gitEnv, ssh: null };
  }
  const planned = sshCommandOf(plainEnv, options).then(async (given) => {
    const config = given.isOpenSsh ? await readSshConfig({ address, ssh: given, env: plainEnv }) : null;
    const commandFor = (isMaster: boolean) =>
      withOptions(given, impersonalOptions(config ?? new Map(), isMaster));
    const ssh = commandFor(false);
    return { ssh, masterSsh: commandFor(true), plan: await planSharing(address, ssh, plainEnv, config) };
  });
  const [{ ssh, masterSsh, plan }] = await Promise.all([planned, requireGit(plainEnv)]);
  const riding = plan.by === 'nobody' ? ssh : withOptions(ssh, plan.options);
  // It is known to be OpenSSH by now. Behind a wrapper, git would start it once more at every connection to
  // find out.
  const known = plan.by === 'nobody' ? {} : { GIT_SSH_VARIANT: 'ssh' };
  const gitEnv = { ...known, ...clientGitEnv(env, riding.text) };
  const shared =
    plan.by === 'us'
      ? openSharedConnection({ address, ssh: masterSsh, env: plainEnv }, plan.location)
      : undefined;
  return { address, env: gitEnv, ssh: { address, ssh: riding, env: gitEnv, shared } };
}

/**
 * Makes sure that the shared connection to the bridge stands, if there is to be one. On a local bridge it
 * also removes what blocks a push; elsewhere the forced command does that. Call it before a fetch or a push.
 * Throws BridgeError where the server cannot be reached or refuses us.
 */
export async function connectBridge(connection: BridgeConnection, signal?: AbortSignal): Promise<void> {
  const { address, env } = connection;
  if (address.kind === 'local') await clearTheWay({ gitDir: address.url, env });
  await connection.ssh?.shared?.ready(signal);
}

/** Ends the shared connection and everything that still uses it. */
export async function closeConnection(connection: BridgeConnection): Promise<void> {
  await connection.ssh?.shared?.close();
}

/**
 * Opens the doorbell of the bridge: its reflog. A bridge behind neither a path nor ssh has none, and the
 * caller has to poll. `alone`: not over the shared connection, which can rest then.
 */
export function openDoorbell(
  connection: BridgeConnection,
  notifier: Ring,
  options: { readonly alone?: boolean } = {},
): Doorbell {
  if (connection.address.kind === 'local') return openLocalDoorbell(connection.address.url, notifier);
  if (connection.ssh !== null) return openSshDoorbell(connection.ssh, notifier, options);
  return { connected: () => false, close: async () => {} };
}
