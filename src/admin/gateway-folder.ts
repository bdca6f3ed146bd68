import { createHash } from 'node:crypto';
import path from 'node:path';
import envPaths from 'env-paths';
import type { BridgeAddress } from '../bridge/address.js';

/**
 * The folder in which the gateways of a bridge keep what they know. For a bridge on this machine it is in
 * the bridge, where `token` and a service that runs `serve` as another user find the same. For one elsewhere
 * it is where the system keeps the data of this user's programs.
 */
export function gatewayFolder(address: Pick<BridgeAddress, 'kind' | 'url'>): string {
  if (address.kind === 'local') return path.join(path.resolve(address.url), 'bridge');
  const slug = address.url.replace(/[^A-Za-z0-9]+/g, '-').slice(-40);
  const id = createHash('sha256').update(address.url).digest('hex').slice(0, 8);
  return path.join(envPaths('llm-bridge', { suffix: '' }).data, `gateway${slug}-${id}`);
}
