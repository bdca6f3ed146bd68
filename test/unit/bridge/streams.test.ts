import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { followStream } from '../../../src/bridge/follow-stream.js';
import { MAX_STREAMS, sweepStreams, takeStreamPlace } from '../../../src/bridge/stream-folder.js';
import { openStreamWriter, type StreamWriter } from '../../../src/bridge/stream-writer.js';
import { type StreamPiece, writeStreamLines } from '../../../src/protocol/stream.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { listenTo, sayTo } from '../../support/stream-ends.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const TASK = 'a1'.repeat(20);
const begin = (agent = 'home-pc'): StreamPiece => ({ begin: { agent, at: '2026-11-26T21:00:00.000Z' } });
const END: StreamPiece = { end: true };

let repo: string;
let folder: string;
let connection: BridgeConnection;

beforeEach(async () => {
  repo = await tempDir();
  folder = join(repo, 'bridge/streams');
  await mkdir(folder, { recursive: true });
  connection = { address: { kind: 'local', url: repo }, env: process.env, ssh: null };
});

const fileOf = (task = TASK) => join(folder, task);
const names = async () => (await readdir(folder)).sort();

const listen = (task = TASK) => listenTo(connection, task);

function say(...pieces: StreamPiece[]): StreamWriter {
  const writer = sayTo(connection, TASK);
  for (const piece of pieces) writer.write(piece);
  return writer;
}

const lines = (...pieces: StreamPiece[]) => Buffer.concat(pieces.map(writeStreamLines));

describe('on this machine', () => {
  test('a reader has each piece while the writer still writes, from the beginning, and ends with it', async () => {
    const early = listen();
    const writer = say(begin(), { thinking: 'hm' });
    expect(await early.next()).toEqual(begin());
    expect(await early.next()).toEqual({ thinking: 'hm' });
    writer.write({ text: 'four' });
    expect(await early.next()).toEqual({ text: 'four' });
    const late = listen();
    writer.write(END);
    await writer.close();
    for (const piece of [begin(), { thinking: 'hm' }, { text: 'four' }, END, 'over'])
      expect(await late.next()).toEqual(piece);
    expect(await early.next()).toEqual(END);
    expect(await early.next()).toBe('over');
    expect(await names()).toEqual([TASK]);
    expect((await stat(fileOf())).mode & 0o777).toBe(0o640);
  });

  test('another generation is a new file, at whose beginning a reader goes on', async () => {
    const reader = listen();
    const first = say(begin(), { text: 'fo' });
    expect(await reader.next()).toEqual(begin());
    expect(await reader.next()).toEqual({ text: 'fo' });
    // Killed in the middle of a line.
    await appendFile(fileOf(), '{"text":"u');
    say(begin('other-pc'), { text: 'four' }, END);
    for (const piece of [begin('other-pc'), { text: 'four' }, END, 'over'])
      expect(await reader.next()).toEqual(piece);
    await first.close();
  });

  test('a character that was cut between two pieces is whole', async () => {
    const [high = '', low = ''] = '🦙'.split('');
    const writer = say(
      begin(),
      { text: `a${high}` },
      { text: `${low}b` },
      { thinking: high },
      { text: low },
      END,
    );
    await writer.close();
    expect((await readFile(fileOf(), 'utf8')).split('\n').slice(2, -2)).toEqual([
      '{"text":"a"}',
      '{"text":"🦙b"}',
      '{"thinking":"\ufffd"}',
      '{"text":"\ufffd"}',
    ]);
  });

  test('no more is written than bridge.maxStreamBytes says', async () => {
    execFileSync('git', ['config', '--file', join(repo, 'config'), 'bridge.maxStreamBytes', '200']);
    const writer = say(begin(), { text: 'a'.repeat(50) }, { text: 'b'.repeat(100) }, { text: 'c' });
    await writer.close();
    expect(await readFile(fileOf(), 'utf8')).toBe(lines(begin(), { text: 'a'.repeat(50) }).toString());
  });

  test('where there is no folder for streams, or no place in it, the writer goes without', async () => {
    for (let at = 0; at < MAX_STREAMS; at += 1)
      await writeFile(fileOf(at.toString(16).padStart(40, '0')), '');
    const before = await names();
    await say(begin(), END).close();
    expect(await names()).toEqual(before);
    await rm(fileOf(before[0]));
    await say(begin(), END).close();
    expect(await names()).toContain(TASK);

    await rm(folder, { recursive: true });
    await say(begin(), END).close();
    expect(await readdir(join(repo, 'bridge'))).toEqual([]);
  });

  test('a writer keeps its place for as long as it writes, and a mark that nobody touches goes after two hours', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    onCleanup(() => void vi.useRealTimers());
    const hours = 60 * 60_000;
    const place = await takeStreamPlace(repo, TASK);
    const [mark = ''] = await names();
    const left = `say.${process.pid}.0.${'b2'.repeat(20)}`;
    await writeFile(join(folder, left), '');
    const touched = async () => (await stat(join(folder, mark))).mtimeMs >= Date.now() - hours;
    for (let hour = 0; hour < 5; hour += 1) {
      vi.advanceTimersByTime(hours);
      await waitUntil(touched, 'the writer to touch its mark');
      await sweepStreams(repo, Date.now());
    }
    expect(await names()).toEqual([mark]);
    await place?.leave();
    expect(await names()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('whenever the last place goes to another one, a writer makes room where a stream is over', async () => {
    const [over, other] = [fileOf('e'.repeat(40)), fileOf('f'.repeat(40))];
    for (let at = 0; at < MAX_STREAMS - 2; at += 1)
      await writeFile(fileOf(at.toString(16).padStart(40, '0')), '');
    for (let round = 0; round < 60; round += 1) {
      await writeFile(over, lines(begin(), END));
      const taken = takeStreamPlace(repo, TASK);
      for (let turn = 0; turn < round / 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      writeFileSync(other, '');
      const place = await taken;
      expect(place).not.toBe(null);
      await place?.leave();
      await rm(other);
    }
  });

  test('a writer that finds no place has the next one that becomes free, and nothing of it is lost', async () => {
    for (let at = 0; at < MAX_STREAMS; at += 1)
      await writeFile(fileOf(at.toString(16).padStart(40, '0')), '');
    const reader = listen();
    const writer = say(begin(), { text: 'fo' });
    // It has asked, and was refused.
    await waitUntil(async () => (await names()).some((name) => name.startsWith('say.')), 'it asks');
    await waitUntil(async () => (await names()).every((name) => !name.startsWith('say.')), 'it is refused');
    writer.write({ text: 'ur' });
    await rm(fileOf('0'.repeat(40)));
    for (const piece of [begin(), { text: 'fo' }, { text: 'ur' }]) expect(await reader.next()).toEqual(piece);
    await writer.close();
    expect((await names()).filter((name) => name.startsWith('say.'))).toEqual([]);
  });

  test('a reader follows no link, waits for the file in its place, and stops when it is told to', async () => {
    const secret = join(repo, 'secret');
    await writeFile(secret, lines({ text: 'secret' }));
    await symlink(secret, fileOf());
    const reader = listen();
    const first = reader.next();
    await writeFile(`${fileOf()}.new`, lines(begin()));
    await rename(`${fileOf()}.new`, fileOf());
    expect(await first).toEqual(begin());
    await rm(fileOf());
    const none = reader.next();
    reader.stop();
    expect(await none).toBe('over');
  });

  test('a link in the place of the stream is replaced, and what it points at stays', async () => {
    const secret = join(repo, 'secret');
    await writeFile(secret, 'mine');
    await symlink(secret, fileOf());
    await say(begin()).close();
    expect(await readFile(secret, 'utf8')).toBe('mine');
    expect(await readFile(fileOf(), 'utf8')).toBe(lines(begin()).toString());
  });
});

test('a bridge that is reached in another way has no streams', async () => {
  const other: BridgeConnection = {
    address: { kind: 'other', url: 'https://localhost/bridge.git' },
    env: process.env,
    ssh: null,
  };
  await openStreamWriter(other, TASK).close();
  const pieces = followStream(other, TASK, new AbortController().signal);
  expect((await pieces.next()).done).toBe(true);
});
