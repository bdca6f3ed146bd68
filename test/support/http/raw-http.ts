import { connect, type Socket } from 'node:net';

/** What a server said to raw bytes. */
export interface RawAnswer {
  /** The status of each response, in order. */
  readonly statuses: readonly number[];
  /** All that came. */
  readonly text: string;
}

/** Opens a connection to a server of this machine, and says nothing. */
export async function openRaw(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  return socket;
}

/** Everything that comes over a connection until the server ends it. */
export async function readToEnd(socket: Socket): Promise<RawAnswer> {
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  await new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    socket.once('end', () => socket.destroy()).once('close', () => resolve());
  });
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  return { statuses, text };
}

/** Sends bytes as they are, and reads until the server ends the connection. */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const socket = await openRaw(url);
  const answer = readToEnd(socket);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return await answer;
}
