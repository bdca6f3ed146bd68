import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { magicPacket, parseMac, sendMagicPackets } from '../../../../src/admin/wake/magic-packet.js';
import { onCleanup } from '../../../support/on-cleanup.js';

test.each([
  ['a8:5e:45:01:02:03', 'a85e45010203'],
  ['A8-5E-45-01-02-03', 'a85e45010203'],
  ['a85e.4501.0203', 'a85e45010203'],
  [' a85e45010203 ', 'a85e45010203'],
  ['ff:ff:ff:ff:ff:ff', undefined],
  ['01:00:5e:00:00:01', undefined],
  ['00:00:00:00:00:00', undefined],
  ['a8:5e:45:01:02', undefined],
  ['a8:5e:45:01:02:0g', undefined],
  ['', undefined],
])('the address %j is %s', (text, hex) => {
  expect(parseMac(text)?.toString('hex')).toBe(hex);
});

test('each card is sent six times ff and its address sixteen times, over UDP', async () => {
  const receiver = createSocket('udp4');
  onCleanup(() => void receiver.close());
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const got: string[] = [];
  const both = new Promise<void>((resolve) => {
    receiver.on('message', (packet) => {
      got.push(packet.toString('hex'));
      if (got.length === 2) resolve();
    });
  });
  const { port } = receiver.address();
  const macs = ['a8:5e:45:01:02:03', '02-00-00-00-00-01'];
  await sendMagicPackets({ macs, broadcast: '127.0.0.1', port });
  await both;
  const packetOf = (mac: string) => `ffffffffffff${mac.repeat(16)}`;
  expect(got.sort()).toEqual([packetOf('020000000001'), packetOf('a85e45010203')]);
  expect(magicPacket(Buffer.from('a85e45010203', 'hex'))).toHaveLength(102);
});

test('what cannot be sent says how to name the network', async () => {
  const sent = sendMagicPackets({ macs: ['a8:5e:45:01:02:03'], broadcast: 'no such host.invalid', port: 9 });
  await expect(sent).rejects.toMatchObject({
    code: 'unreachable',
    remedy: expect.stringContaining('--broadcast'),
  });
  await expect(sendMagicPackets({ macs: ['x'], broadcast: '127.0.0.1', port: 9 })).rejects.toMatchObject({
    code: 'usage',
  });
});
