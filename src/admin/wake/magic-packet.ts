import { createSocket } from 'node:dgram';
import { BridgeError } from '../../protocol/bridge-error.js';

/** The discard port, which network cards and routers expect such packets at. */
export const WAKE_PORT = 9;

/** Everybody on this network. A PC that sleeps has no address that answers. */
export const WAKE_BROADCAST = '255.255.255.255';

/** Where magic packets go. */
export interface WakeTarget {
  readonly macs: readonly string[];
  readonly broadcast: string;
  readonly port: number;
}

/**
 * Reads the address of a network card, as systems write it: `aa:bb:cc:dd:ee:ff`, with `-` or `.` or without.
 * Returns its six bytes, or null for what is none, and for one that belongs to no single card.
 */
export function parseMac(text: string): Buffer | null {
  const digits = text.trim().replace(/[:.-]/g, '');
  if (!/^[0-9a-f]{12}$/i.test(digits)) return null;
  const bytes = Buffer.from(digits, 'hex');
  // The lowest bit of the first byte says that it is a group's: nobody's card has such an address.
  return ((bytes[0] ?? 1) & 1) === 1 || bytes.every((byte) => byte === 0) ? null : bytes;
}

/** The payload that wakes a card: six times ff, then its address sixteen times. 102 bytes. */
export function magicPacket(mac: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => mac)]);
}

/**
 * Sends each card its packet, once, over UDP. Whether one arrives nobody can know. Throws BridgeError
 * `usage` for an address that is none, and `unreachable` where this machine cannot send.
 */
export async function sendMagicPackets({ macs, broadcast, port }: WakeTarget): Promise<void> {
  const packets = macs.map((mac) => {
    const bytes = parseMac(mac);
    if (bytes !== null) return magicPacket(bytes);
    throw new BridgeError(`${JSON.stringify(mac)} is no address of a network card`, {
      code: 'usage',
      remedy: 'the PC says it: ip link, or ipconfig /all; it is like a8:5e:45:01:02:03',
    });
  });
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, () => {
        socket.setBroadcast(true);
        const sent = packets.map(
          (packet) =>
            new Promise<void>((done, failed) =>
              socket.send(packet, port, broadcast, (error) => (error === null ? done() : failed(error))),
            ),
        );
        Promise.all(sent).then(() => resolve(), reject);
      });
    });
  } catch (error) {
    throw new BridgeError(`the magic packet to ${broadcast} port ${port} was not sent: ${String(error)}`, {
      code: 'unreachable',
      retryable: true,
      remedy: 'name the broadcast address of the network with the PC: --broadcast 192.168.1.255',
      cause: error,
    });
  } finally {
    socket.close();
  }
}
