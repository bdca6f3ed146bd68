import net from 'node:net';

/** A live master speaks within a millisecond. One that does not is stopped, or on a machine that swaps. */
const HELLO_TIMEOUT_MS = 3_000;

/** Whether the master of a shared connection listens at this socket and is awake: it speaks first. Takes 3 s at most. */
export function saysHello(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file);
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(HELLO_TIMEOUT_MS, () => done(false));
    socket.on('data', () => done(true));
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
  });
}
