import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Lets a server have at most `max` connections: one more ends the one that has been idle the longest, or is
 * not taken where all are at work. So a client that opens ten thousand connections and says nothing keeps
 * nobody else out.
 */
export function limitConnections(server: Server, max: number): void {
  // In the order in which they became idle.
  const idle = new Set<Socket>();
  let open = 0;
  server.on('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
      idle.delete(socket);
    });
    if (open > max) {
      const [oldest] = idle;
      (oldest ?? socket).destroy();
      if (oldest !== undefined) idle.delete(oldest);
    }
    if (!socket.destroyed) idle.add(socket);
  });
  const works = ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket);
    });
  };
  // Node tells of a call with `Expect` by the second alone.
  server.on('request', works).on('checkContinue', works);
}
