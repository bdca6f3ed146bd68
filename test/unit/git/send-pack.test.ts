import { expect, test } from 'vitest';
import { formatPush, PushReply } from '../../../src/git/send-pack.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
const ADVERTISED = `${line(`${A} refs/heads/main\0report-status delete-refs\n`)}0000`;

function reply(text: string): PushReply {
  const whole = new PushReply();
  whole.take(Buffer.from(text));
  // The same in single bytes.
  const parts = new PushReply();
  for (const byte of Buffer.from(text)) parts.take(Buffer.from([byte]));
  expect([parts.isOver, parts.isPushed]).toEqual([whole.isOver, whole.isPushed]);
  return parts;
}

test('a push is one command, a flush, and the pack', () => {
  const bytes = formatPush({ from: A, to: B, pack: Buffer.from('PACK') }, 'sha256');
  const command = `${A} ${B} refs/heads/main\0 report-status object-format=sha256\n`;
  expect(bytes.toString('latin1')).toBe(`${line(command)}0000PACK`);
});

test('main has moved once the report says so, and not before', () => {
  expect(reply(ADVERTISED).isOver).toBe(false);
  const report = `${line('unpack ok\n')}${line('ok refs/heads/main\n')}`;
  expect(reply(`${ADVERTISED}${report}`).isPushed).toBe(false);
  const whole = reply(`${ADVERTISED}${report}0000`);
  expect([whole.isOver, whole.isPushed]).toEqual([true, true]);
  expect(whole.outcome('x', 'llm-bridge: noise')).toEqual({ status: 'pushed' });
});

const ng = (why: string, unpack = 'unpack ok') =>
  `${ADVERTISED}${line(`${unpack}\n`)}${line(`ng refs/heads/main ${why}\n`)}0000`;

test('a refusal of the bridge is read from what the session says beside it', () => {
  const stderr = 'llm-bridge refused [role]: bot, refs/heads/main: no; try: ask\n';
  expect(reply(ng('pre-receive hook declined')).outcome('x', stderr)).toMatchObject({
    status: 'refused',
    refusal: { code: 'role' },
  });
  const stale = 'llm-bridge refused [stale]: bot, refs/heads/main: no; try: fetch\n';
  expect(reply(ng('pre-receive hook declined')).outcome('x', stale)).toEqual({ status: 'raced' });
});

test.each(['failed to update ref', 'incorrect old value provided', 'cannot lock ref'])(
  'a ref that is elsewhere is a lost race: %s',
  (why) => expect(reply(ng(why)).outcome('x', '')).toEqual({ status: 'raced' }),
);

test('anything else is an error that says why, without control characters', () => {
  const failed =
    (text: string, stderr = '') =>
    () =>
      reply(text).outcome('ssh://x/y', stderr);
  expect(failed(ng('unpacker error', 'unpack No space left on device'))).toThrow(/disk/);
  expect(failed(ng('hook \u001b[31mdeclined'))).toThrow(/rejected it \(hook (?:\[31m)?declined\)/);
  expect(failed(ADVERTISED)).toThrow(/ssh:\/\/x\/y/);
  expect(failed('', 'Connection closed by remote host')).toThrow(/reached/);
});

test.each(['hello, I am a .bashrc\n', '0003', '0001', 'zzzz'])(
  'what is no reply of git is none, and keeps nobody waiting: %j',
  (text) => {
    const broken = reply(`${text}${ADVERTISED}${ADVERTISED}`);
    expect([broken.isOver, broken.isPushed]).toEqual([true, false]);
    expect(() => broken.outcome('x', '')).toThrow();
  },
);

test('what never ends is given up', () => {
  const flood = new PushReply();
  const chunk = Buffer.from(line('x'.repeat(60_000)));
  for (let at = 0; at < 300; at += 1) flood.take(chunk);
  expect([flood.isOver, flood.isPushed]).toEqual([true, false]);
});
