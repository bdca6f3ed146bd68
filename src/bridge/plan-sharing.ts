import type { BridgeAddress } from './address.js';
import { findSocketLocation, type SocketLocation, saysHello } from './control-socket.js';
import { readSshConfig } from './ssh-config.js';
import { type SshCommand, withOptions } from './ssh-settings.js';

/**
 * How connections are shared: over our own at `location`, over one that the user has open, or not at all.
 */
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
 * connection of its own on Windows, whose ssh cannot share one; for a program that is not OpenSSH, or one
 * before 6.8, which cannot say its configuration; where no folder fits the socket; and where the user's ssh
 * command has options for sharing, which win over ours. The user's connection is shared where one is open
 * (`ControlPath` in their configuration), because it may be the only one that logs in without asking.
 * `config`: as readSshConfig returns it.
 */
export async function planSharing(
  address: Extract<BridgeAddress, { kind: 'ssh' }>,
  ssh: SshCommand,
  env: NodeJS.ProcessEnv,
  config: ReadonlyMap<string, string> | null,
): Promise<SharingPlan> {
  if (process.platform === 'win32' || !ssh.isOpenSsh || config === null) return NOBODY;
  const location = await findSocketLocation(env);
  const theirs = controlPathIn(config);
  if (location === null) return NOBODY;
  const options = [...NO_MASTER, '-o', `ControlPath=${location.socket}`];
  if (theirs === 'none') return { by: 'us', location, options };
  if (await saysHello(theirs)) return { by: 'user', options: NO_MASTER };
  const effective = await readSshConfig({ address, ssh: withOptions(ssh, options), env });
  return effective !== null && controlPathIn(effective) === location.socket
    ? { by: 'us', location, options }
    : NOBODY;
}

/** `ControlPath` for this destination, or `none`. */
function controlPathIn(config: ReadonlyMap<string, string>): string {
  return config.get('controlpath') ?? 'none';
}
