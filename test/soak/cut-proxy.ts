import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Random } from './random.js';

/** A wire between ssh and sshd that breaks. */
export interface CutProxy {
  readonly port: number;
  /** How many connections it has broken. */
  cuts(): number;
  /** Breaks one of the open connections, if there is one. */
  cutOne(): void;
  /** From now on nothing is broken any more. */
  calm(): void;
  close(): Promise<void>;
}

/** How many of the new connections break by themselves after some bytes. */
const DOOMED = 0.06;
/** A handshake alone takes about 4 KB each way; a push of one answer a few more. */
const MAX_BYTES = 12_000;

/**
 * Forwards connections to `port` of this machine. Some break after a random number of bytes one way or the
 * other: in the handshake, in a fetch, in a push, or when the server has done all and only its last word is
 * missing.
 */
export async function startCutProxy(port: number, random: Random): Promise<CutProxy> {
  const open = new Set<() => void>();
  let cuts = 0;
  let isCalm = false;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const end = (): void => {
      open.delete(cut);
      client.destroy();
      upstream.destroy();
    };
    const cut = (): void => {
      if (!open.has(cut)) return;
      cuts += 1;
      end();
    };
    open.add(cut);
    for (const socket of [client, upstream]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    const doom = !isCalm && random.chance(DOOMED) ? random.pick(['up', 'down'] as const) : null;
    const bytes = random.int(1, MAX_BYTES);
    forward(client, upstream, doom === 'up' ? bytes : Number.POSITIVE_INFINITY, cut);
    forward(upstream, client, doom === 'down' ? bytes : Number.POSITIVE_INFINITY, cut);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    cutOne() {
      if (open.size > 0) random.pick([...open])();
    },
    calm() {
      isCalm = true;
    },
    async close() {
      server.close();
      for (const cut of [...open]) cut();
      await once(server, 'close');
    },
  };
}

/** Copies until `bytes` have gone through, then calls `cut`. */
function forward(from: Socket, to: Socket, bytes: number, cut: () => void): void {
  let left = bytes;
  from.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (left > 0) {
      if (!to.write(part)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    } else {
      to.write(part, cut);
    }
  });
  from.on('end', () => to.end());
}
