import type { StreamPiece } from '../protocol/stream.js';
import type { BridgeConnection } from './connection.js';
import { FolderStreams, type FollowedStreams } from './folder-streams.js';
import { SshStreams } from './ssh-streams.js';

/**
 * Follows the streams of many tasks. A `begin` makes void what came before it in the stream of that task.
 * `take` gets each piece, and must not throw. Nothing depends on a stream: where there can be none, nothing
 * comes.
 */
export function followStreams(
  connection: BridgeConnection,
  take: (task: string, piece: StreamPiece) => void,
): FollowedStreams {
  const { address, ssh } = connection;
  if (address.kind === 'local') return new FolderStreams(address.url, take);
  return ssh === null ? NOTHING : new SshStreams(ssh, take);
}

const NOTHING: FollowedStreams = { follow: () => {}, leave: () => {}, close: async () => {} };
