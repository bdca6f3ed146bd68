import { afterEach, expect, test, vi } from 'vitest';
import { openFetchAhead, readReply } from '../../../src/bridge/fetch-ahead.js';

const ID = 'a'.repeat(40);
const pack = Buffer.from('PACK\0\0\0\x02\0\0\0\0\xff\xfe', 'latin1');
const reply = (...parts: readonly (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));

test.each([
  ['an id and a pack', reply(`${ID}\n`, pack), ID],
  ['an id of 64 digits', reply(`${ID}${'b'.repeat(24)}\n`, pack), `${ID}${'b'.repeat(24)}`],
  ['behind what a shell printed', reply(`Welcome\n${'c'.repeat(40)}\n${ID}\n`, pack), ID],
])('%s', (_what, bytes, tip) => {
  expect(readReply(bytes)).toEqual({ tip, pack });
});

test.each([
  ['nothing', reply()],
  ['an id alone', reply(`${ID}\n`)],
  ['a pack alone', reply(pack)],
  ['an id of capital letters', reply(`${ID.toUpperCase()}\n`, pack)],
  ['an id with a digit too many', reply(`${ID}a\n`, pack)],
  ['a line between the two', reply(`${ID}\n\n`, pack)],
  ['a refusal', reply('llm-bridge: this key opens no shell\n')],
])('no reply: %s', (_what, bytes) => {
  expect(readReply(bytes)).toBeNull();
});

/** A session whose connection does not log in, and has not failed either. */
function opening() {
  const address = { kind: 'ssh', url: 'ssh://b@s/x', destination: 'b@s', port: null } as const;
  const ready = (signal?: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  const shared = { folder: '/nowhere', ready, rest: async () => {}, close: async () => {} };
  const command = { text: 'ssh', words: ['ssh'], isOpenSsh: true } as const;
  const session = openFetchAhead({ address, env: {}, ssh: { address, ssh: command, env: {}, shared } });
  if (session === null) throw new Error('there is no shared connection');
  return session;
}

afterEach(() => {
  vi.useRealTimers();
});

test('one that does not open is not waited for any longer than one that says nothing', async () => {
  vi.useFakeTimers();
  const session = opening();
  const fetched = session.fetch(ID, new AbortController().signal);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await Promise.race([fetched, Promise.resolve().then(() => 'it still waits')])).toBeNull();
  await session.close();
});

test('who stops waits for none that is opening', async () => {
  const session = opening();
  const stop = new AbortController();
  const fetched = session.fetch(ID, stop.signal);
  stop.abort(new Error('stopped'));
  await expect(fetched).rejects.toThrow('stopped');
  await session.close();
});
