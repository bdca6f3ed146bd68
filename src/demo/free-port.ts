import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/**
 * Below the ports that a system gives to outgoing connections and to servers that take any port: Linux
 * begins at 32768, others at 49152. So a server that is away for a while finds its port still free.
 */
const PORTS = { first: 20_000, count: 12_000 };

const MAX_ATTEMPTS = 20;

/** Lets a server listen on a port of 127.0.0.1 that no other program gets by chance. Returns the port. */
export async function listenOnFreePort(server: Server): Promise<number> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await listens(server, port)) return port;
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function listens(server: Server, port: number): Promise<boolean> {
  server.listen(port, '127.0.0.1');
  return once(server, 'listening').then(
    () => true,
    // Somebody listens there, or the system keeps that port for itself.
    () => false,
  );
}

/**
 * Finds a TCP port of 127.0.0.1 that was free a moment ago, for a program that cannot pick one itself.
 * Another process may take it first, so be ready to ask again.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOnFreePort(server);
  server.close();
  await once(server, 'close');
  return port;
}
