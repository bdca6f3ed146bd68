import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { BridgeFixture } from './bridge-fixture.js';
import { onCleanup } from './on-cleanup.js';

/** A connection through a proxy. */
export interface ProxiedConnection {
  /**
   * From now on no data passes in either direction, and neither end hears of it: half-open, as behind a
   * router that lost the connection.
   */
  freeze(): void;
}

/** A proxy in front of a server on this machine. */
export interface TcpProxy {
  readonly port: number;
  readonly connections: readonly ProxiedConnection[];
  /** What has passed so far, in both directions. */
  bytes(): number;
}

/** Starts a proxy; it stops with the test. */
export async function startTcpProxy(serverPort: number): Promise<TcpProxy> {
  const connections: ProxiedConnection[] = [];
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    let isFrozen = false;
    const connection: ProxiedConnection = {
      freeze: () => {
        isFrozen = true;
      },
    };
    connections.push(connection);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      const other = socket === client ? upstream : client;
      socket.on('close', () => isFrozen || other.destroy());
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (!isFrozen) other.write(chunk);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return { port: address.port, connections, bytes: () => bytes };
}

/** The address of the bridge through a proxy, and the environment of a principal who uses it. */
export function byWayOf(
  proxy: TcpProxy,
  bridge: BridgeFixture,
  name: string,
): { readonly repo: string; readonly env: Record<string, string> } {
  const { env } = bridge.principal(name);
  const { port } = bridge.sshd;
  return {
    repo: bridge.sshUrl.replace(`:${port}/`, `:${proxy.port}/`),
    env: {
      GIT_SSH_COMMAND: `${env.GIT_SSH_COMMAND} -o 'HostKeyAlias=[127.0.0.1]:${port}'`.replace(
        `-p ${port} `,
        `-p ${proxy.port} `,
      ),
    },
  };
}
