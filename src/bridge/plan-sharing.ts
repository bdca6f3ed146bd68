import type { BridgeAddress } from './address.js';
import { findSocketLocation, type SocketLocation, saysHello } from './control-socket.js';
import { readSshConfig } from './ssh-config.js';
import { type SshCommand, withOptions } from './ssh-settings.js';

/** How connections are shared: over our own at `location`, over one that the user has open, or not at all. */
export type SharingPlan =
  | { readonly by: 'us'; readonly location: SocketLocation; readonly options: readonly string[] }
  | { readonly by: 'user'; readonly options: readonly string[] }
  | { readonly by: 'nobody'; readonly options: readonly [] };

const NOBODY: SharingPlan = { by: 'nobody', options: [] };

/**
 * None of our programs becomes a master by itself: it would not end before all connections over it have
 * ended.
 */
const NO_MASTER = ['-o', 'ControlMaster=no'];

/**
 * Decides how connections are shared. `options` are to be added to the ssh command. Each command makes a
 * connection of its own on Windows, whose ssh cannot share one; for a program that is not OpenSSH; where no
 * folder fits the socket; and where the user's ssh command has options for sharing, which win over ours. The
 * user's connection is shared where one is open (`ControlPath` in their configuration), because it may be the
 * only one that logs in without asking.
 */
export async function planSharing(
  address: Extract<BridgeAddress, { kind: 'ssh' }>,
  ssh: SshCommand,
  env: NodeJS.ProcessEnv,
): Promise<SharingPlan> {
  if (process.platform === 'win32' || !ssh.isOpenSsh) return NOBODY;
  const location = await findSocketLocation(env);
  const theirs = await controlPathOf(address, ssh, env);
  if (theirs === null || location === null) return NOBODY;
  // The user's forwarded ports are of no use here, and can be bound only once.
  const options = [...NO_MASTER, '-o', `ControlPath=${location.socket}`, '-o', 'ClearAllForwardings=yes'];
  if (theirs === 'none') return { by: 'us', location, options };
  if (await saysHello(theirs)) return { by: 'user', options: NO_MASTER };
  const effective = await controlPathOf(address, withOptions(ssh, options), env);
  return effective === location.socket ? { by: 'us', location, options } : NOBODY;
}

/**
 * `ControlPath` for this destination, or `none`. Null where this is not OpenSSH, or one before 6.8, which
 * does not print it.
 */
async function controlPathOf(
  address: Extract<BridgeAddress, { kind: 'ssh' }>,
  ssh: SshCommand,
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  const config = await readSshConfig({ address, ssh, env });
  return config === null ? null : (config.get('controlpath') ?? 'none');
}
