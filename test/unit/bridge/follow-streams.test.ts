import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { BridgeConnection } from '../../../src/bridge/connection.js';
import { followStreams } from '../../../src/bridge/follow-streams.js';
import { MAX_STREAMS } from '../../../src/bridge/stream-folder.js';
import { type StreamPiece, writeStreamLines } from '../../../src/protocol/stream.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { sayTo } from '../../support/stream-ends.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const BEGIN: StreamPiece = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
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

const taskOf = (at: number) => at.toString(16).padStart(40, '0');
const fileOf = (task: string) => join(folder, task);

function follow() {
  const heard = new Map<string, StreamPiece[]>();
  const streams = followStreams(connection, (task, piece) => {
    heard.set(task, [...(heard.get(task) ?? []), piece]);
  });
  onCleanup(() => streams.close());
  return { streams, heard };
}

const say = (task: string) => sayTo(connection, task);

test('two hundred streams are written and followed at once, each from its beginning and as it is said', async () => {
  const { streams, heard } = follow();
  const tasks = Array.from({ length: 200 }, (_, at) => taskOf(at));
  for (const task of tasks) streams.follow(task);
  const writers = tasks.map(say);
  for (const writer of writers) writer.write(BEGIN);
  await waitUntil(() => heard.size === 200, 'all have begun');
  // The first is heard before the last one of it is said.
  for (const [at, writer] of writers.entries()) {
    for (const text of ['one ', `${at}`]) writer.write({ text });
    writer.write(END);
  }
  const isOver = () => tasks.every((task) => heard.get(task)?.some((piece) => 'end' in piece));
  await waitUntil(isOver, 'all have ended');
  for (const [at, task] of tasks.entries())
    expect(heard.get(task)).toEqual([BEGIN, { text: 'one ' }, { text: `${at}` }, END]);
});

test('another file in its place is heard from its beginning, and what is left is heard no more', async () => {
  const { streams, heard } = follow();
  const [task, other] = [taskOf(1), taskOf(2)];
  streams.follow(task);
  streams.follow(other);
  const first = say(task);
  first.write(BEGIN);
  first.write({ text: 'fo' });
  await waitUntil(() => heard.get(task)?.length === 2, 'the first');
  const second = say(task);
  second.write(BEGIN);
  second.write({ text: 'four' });
  await waitUntil(() => heard.get(task)?.length === 4, 'the second');
  streams.leave(task);
  second.write({ text: 'more' });
  const last = say(other);
  last.write(BEGIN);
  await waitUntil(() => heard.get(other)?.length === 1, 'the other');
  expect(heard.get(task)).toEqual([BEGIN, { text: 'fo' }, BEGIN, { text: 'four' }]);
});

test('a folder that is made again, and a link in it, stop nobody', async () => {
  const { streams, heard } = follow();
  const [task, linked] = [taskOf(1), taskOf(2)];
  streams.follow(task);
  streams.follow(linked);
  await rename(folder, join(repo, 'away'));
  await mkdir(folder);
  await writeFile(join(repo, 'secret'), writeStreamLines({ text: 'mine' }));
  await symlink(join(repo, 'secret'), fileOf(linked));
  await writeFile(fileOf(task), Buffer.concat([BEGIN, END].map(writeStreamLines)));
  await waitUntil(() => heard.get(task)?.length === 2, 'what is said in the new folder');
  expect(heard.has(linked)).toBe(false);
});

test('a writer finds room where streams were said to their end, and what is still said stays', async () => {
  const ended = Buffer.concat([BEGIN, END].map(writeStreamLines));
  const open = writeStreamLines(BEGIN);
  for (let at = 0; at < MAX_STREAMS; at += 1)
    await writeFile(fileOf(taskOf(at)), at % 2 === 0 ? ended : open);
  const task = 'f'.repeat(40);
  const writer = say(task);
  writer.write(BEGIN);
  await writer.close();
  expect(await readFile(fileOf(task))).toEqual(open);
  await expect(readFile(fileOf(taskOf(0)))).rejects.toThrow('ENOENT');
  expect(await readFile(fileOf(taskOf(1)))).toEqual(open);
  await rm(folder, { recursive: true });
});
