import path from 'node:path';
import type { BridgeAddress } from '../../bridge/address.js';
import { findUser } from '../unix-user.js';
import type { DataFolder } from './service-spec.js';

/**
 * Where `serve` as a service of the machine keeps tokens and the files of batches for a bridge elsewhere:
 * where `gatewayFolder` has them for its user, who makes tokens by hand. The sandbox would let it write to
 * no home folder. Undefined where all bridges are on this machine, and for a user whom the system does not
 * know.
 */
export async function gatewayData(
  addresses: readonly BridgeAddress[],
  user: string,
  env: NodeJS.ProcessEnv,
): Promise<DataFolder | undefined> {
  if (addresses.every(({ kind }) => kind === 'local')) return undefined;
  const found = await findUser(/^[0-9]+$/.test(user) ? Number(user) : user, env);
  if (found === null) return undefined;
  return { path: path.posix.join(found.home, '.local', 'share', 'llm-bridge'), owner: found.name };
}
