import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { askOnce } from '../../../src/asker/ask-once.js';
import { draftTaskFile } from '../../../src/asker/task-draft.js';
import { watchFile } from '../../../src/asker/watch-file.js';
import { readRefFile } from '../../../src/git/ref-files.js';
import { listRefs } from '../../../src/git/refs.js';
import type { BridgeError } from '../../../src/protocol/bridge-error.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitWithMainLocked } from '../../support/living-git.js';
import { readObjectFile } from '../../support/object-files.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';
import { askLocally, TTL_MS, tasksOn } from './asker-fixture.js';

interface Watch {
  readonly problems: BridgeError[];
  stop(): Promise<void>;
}

/** Watches a file until the test ends or `stop`, from when it is ready. */
async function startWatch(repo: BareBridge, file: string, settleMs = 40): Promise<Watch> {
  const controller = new AbortController();
  const problems: BridgeError[] = [];
  let ended: Promise<void> = Promise.resolve();
  await new Promise<void>((onReady, reject) => {
    ended = watchFile({
      repo,
      file,
      maxBytes: 10_000,
      taskTtlMs: TTL_MS,
      answersLog: join(repo.gitDir, 'bridge', 'answers.log'),
      settleMs,
      name: 'bot',
      signal: controller.signal,
      onTask: () => {},
      onProblem: (problem) => problems.push(problem),
      onReady,
    });
    ended.catch(reject);
  });
  const stop = async () => {
    controller.abort();
    await ended;
  };
  onCleanup(stop);
  return { problems, stop };
}

const textsOn = async (repo: BareBridge) => (await tasksOn(repo)).map((task) => task.text);

/** Waits until there are so many; reads them only when main has moved, because that starts git. */
async function waitForTasks(repo: BareBridge, count: number): Promise<string[]> {
  let seen: string | null | undefined;
  return waitUntil(async () => {
    const tip = await readRefFile(repo.gitDir, MAIN_REF);
    if (tip === seen) return false;
    seen = tip;
    const texts = await textsOn(repo);
    return texts.length >= count && texts;
  }, `${count} tasks on main`);
}

test('what the file holds at the start is asked, and each change after it', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await writeFile(file, 'one');
  await startWatch(repo, file);
  expect(await textsOn(repo)).toEqual(['one']);
  await writeFile(file, 'two');
  await waitForTasks(repo, 2);
  await writeFile(file, 'one');
  expect(await waitForTasks(repo, 3)).toEqual(['one', 'two', 'one']);
});

test('a file that is replaced by a rename is asked every time', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await writeFile(file, '0');
  await startWatch(repo, file);
  for (let at = 1; at <= 4; at++) {
    await writeFile(`${file}.tmp`, String(at));
    await rename(`${file}.tmp`, file);
    await waitForTasks(repo, at + 1);
  }
  expect(await textsOn(repo)).toEqual(['0', '1', '2', '3', '4']);
});

test('a file that is not there yet, that is empty, and that goes and comes back', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await startWatch(repo, file);
  await writeFile(file, ' \n');
  await appendFile(file, 'one');
  await waitForTasks(repo, 1);
  await rm(file);
  await writeFile(file, 'two');
  expect(await waitForTasks(repo, 2)).toEqual([' \none', 'two']);
});

test('a slow writer is not cut in half, where it pauses less than the file has to be left alone', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await writeFile(file, 'before');
  await startWatch(repo, file, 2_000);
  await writeFile(file, '');
  for (const part of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await appendFile(file, part);
    await sleep(100);
  }
  expect(await waitForTasks(repo, 2)).toEqual(['before', 'abcdef']);
});

test('what is written while an earlier change is being asked is not cut in half either', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  // Long enough for a busy machine to write the rest in time.
  await startWatch(repo, file, 4_000);
  // While main is locked the first change cannot be committed, and the look at the second comes late.
  const tip = await repo.git(['rev-parse', MAIN_REF]);
  const git = await gitWithMainLocked({ args: ['--git-dir', repo.gitDir], env: cleanEnv(repo.dir) }, tip);
  await writeFile(file, 'first');
  const blob = await repo.git(['hash-object', '--stdin'], 'first');
  await waitUntil(() => readObjectFile(repo.gitDir, blob) !== null, 'the first to be on its way');
  await writeFile(file, 'whole');
  await sleep(4_100);
  await writeFile(file, 'ha');
  await git.finish();
  await waitForTasks(repo, 1);
  await appendFile(file, 'lf');
  expect(await waitForTasks(repo, 2)).toEqual(['first', 'half']);
});

test('of three quick changes the last is asked, and none twice', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await startWatch(repo, file);
  for (const text of ['1', '2', '3']) await writeFile(file, text);
  await waitUntil(async () => (await textsOn(repo)).at(-1) === '3', 'the last to be asked');
  const texts = await textsOn(repo);
  expect(new Set(texts).size).toBe(texts.length);
});

test('a restart neither repeats what was asked nor misses what came meanwhile', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await writeFile(file, 'one');
  const first = await startWatch(repo, file);
  // Another asker puts something else on main, so main alone does not tell that "one" was asked.
  await askLocally(repo, draftTaskFile('task.txt', Buffer.from('other')));
  await first.stop();
  const second = await startWatch(repo, file);
  expect(await textsOn(repo)).toEqual(['one', 'other']);
  await second.stop();
  await writeFile(file, 'two');
  await startWatch(repo, file);
  expect(await textsOn(repo)).toEqual(['one', 'other', 'two']);
});

test('a crash between the two refs neither repeats nor misses', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await writeFile(file, 'one');
  await (await startWatch(repo, file)).stop();
  const before = await repo.git(['rev-parse', MAIN_REF]);
  const [memory] = await listRefs(repo, 'refs/bridge/watch/');
  await writeFile(file, 'two');
  await (await startWatch(repo, file)).stop();

  // 1. main moved and the memory did not.
  await repo.git(['update-ref', memory?.ref ?? '', memory?.id ?? '']);
  await (await startWatch(repo, file)).stop();
  expect(await textsOn(repo)).toEqual(['one', 'two']);
  // 2. main moved and there was no memory yet.
  await repo.git(['update-ref', '-d', memory?.ref ?? '']);
  await (await startWatch(repo, file)).stop();
  expect(await textsOn(repo)).toEqual(['one', 'two']);
  // 3. The memory moved and main did not: what really happens, because main moves last.
  await repo.git(['update-ref', MAIN_REF, before]);
  await (await startWatch(repo, file)).stop();
  expect(await textsOn(repo)).toEqual(['one', 'two']);
});

test('going back to an earlier text is a change, also when another asker had asked the one in between', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  const ask = (text: string) => askLocally(repo, draftTaskFile('task.txt', Buffer.from(text)));
  await writeFile(file, 'X');
  await (await startWatch(repo, file)).stop();
  await ask('Y');
  await writeFile(file, 'Y');
  await (await startWatch(repo, file)).stop();
  await ask('Z');
  await writeFile(file, 'X');
  await startWatch(repo, file);
  expect(await textsOn(repo)).toEqual(['X', 'Y', 'Z', 'X']);
});

test('two files are watched side by side, each with a memory of its own', async () => {
  const repo = await bareBridge();
  const [a, b] = [join(repo.dir, 'a.txt'), join(repo.dir, 'b', 'task.json')];
  await mkdir(join(repo.dir, 'b'));
  const watches = [await startWatch(repo, a), await startWatch(repo, b)];
  await writeFile(a, 'from a');
  await writeFile(b, '{"prompt":"from b"}');
  await waitForTasks(repo, 2);
  for (const watch of watches) await watch.stop();
  for (const file of [a, b]) await startWatch(repo, file);
  expect((await textsOn(repo)).sort()).toEqual(['from a', '{"prompt":"from b"}']);
});

test('what is no task is told by its field and not asked, and asked once it is corrected', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.json');
  await writeFile(file, '{"promt":"2+2"}');
  const { problems } = await startWatch(repo, file);
  expect(problems).toMatchObject([
    { code: 'usage', message: expect.stringMatching(new RegExp(`^${file} .*"promt"`)) },
  ]);
  await writeFile(file, '{"prompt":"2+2"}');
  expect(await waitForTasks(repo, 1)).toEqual(['{"prompt":"2+2"}']);
  expect(problems).toHaveLength(1);
});

test.skipIf(process.platform !== 'linux')(
  'a lock that a killed git left at its memory, or at main, keeps no change from being asked',
  async () => {
    const repo = await bareBridge();
    const file = join(repo.dir, 'task.txt');
    await writeFile(file, 'one');
    await startWatch(repo, file);
    const [memory] = await listRefs(repo, 'refs/bridge/watch/');
    for (const [at, lock] of [`${memory?.ref}.lock`, `${MAIN_REF}.lock`].entries()) {
      await writeFile(join(repo.gitDir, lock), '');
      await writeFile(file, `change ${at}`);
      await waitForTasks(repo, at + 2);
    }
    expect(await textsOn(repo)).toEqual(['one', 'change 0', 'change 1']);
  },
);

test.skipIf(process.platform !== 'linux').each<[string, (memory: string) => string]>([
  ['a lock at its memory', (memory) => `${memory}.lock`],
  ['an empty memory', (memory) => memory],
  ['an empty HEAD', () => 'HEAD'],
])('%s does not keep it from noting what another asker has just asked', async (_what, name) => {
  const repo = await bareBridge();
  const draft = (text: string) => draftTaskFile('task.txt', Buffer.from(text));
  const ask = (text: string) =>
    askOnce(join(repo.dir, 'task.txt'), draft(text), {
      repo,
      taskTtlMs: TTL_MS,
      name: 'bot',
      onTask: () => {},
    });
  await ask('one');
  const [memory] = await listRefs(repo, 'refs/bridge/watch/');
  const last = await askLocally(repo, draft('two'));
  await writeFile(join(repo.gitDir, name(memory?.ref ?? '')), '');

  await ask('two');

  expect(await textsOn(repo)).toEqual(['one', 'two']);
  expect(await listRefs(repo, 'refs/bridge/watch/')).toEqual([{ ref: memory?.ref, id: last }]);
});

test('a memory that a power cut has emptied is made again, and what the file says is asked', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await writeFile(file, 'one');
  await startWatch(repo, file);
  const [memory] = await listRefs(repo, 'refs/bridge/watch/');
  await writeFile(join(repo.gitDir, memory?.ref ?? ''), '');
  await writeFile(file, 'two');

  expect(await waitForTasks(repo, 2)).toEqual(['one', 'two']);
  expect(await listRefs(repo, 'refs/bridge/watch/')).toHaveLength(1);
});

test('a folder that is removed and made again, or replaced, is watched on', async () => {
  const repo = await bareBridge();
  const box = join(repo.dir, 'box');
  const file = join(box, 'task.txt');
  await mkdir(box);
  await writeFile(file, 'one');
  const { problems } = await startWatch(repo, file);
  await rm(box, { recursive: true });
  await sleep(300);
  await mkdir(box);
  await writeFile(file, 'two');
  await waitForTasks(repo, 2);
  await mkdir(`${box}.new`);
  await writeFile(join(`${box}.new`, 'task.txt'), 'three');
  await rename(box, `${box}.old`);
  await rename(`${box}.new`, box);
  expect(await waitForTasks(repo, 3)).toEqual(['one', 'two', 'three']);
  expect(problems).toEqual([]);
});

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/** The notes beside answers.log, as a program reads them. */
async function notesOf(repo: BareBridge): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(repo.gitDir, 'bridge', 'watched.log'), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

test('a byte order mark is left out, UTF-16 is converted, and their answers are found by the hash of the file', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  const forms = [
    Buffer.from('\ufeffодин', 'utf8'),
    Buffer.from('\ufeffдва', 'utf16le'),
    Buffer.from('\ufeffтри', 'utf16le').swap16(),
  ];
  await startWatch(repo, file);
  for (const [at, bytes] of forms.entries()) {
    await writeFile(file, bytes);
    await waitForTasks(repo, at + 1);
    await waitUntil(async () => (await notesOf(repo)).length > at, 'the note of its hash');
  }
  expect(await textsOn(repo)).toEqual(['один', 'два', 'три']);
  expect(await notesOf(repo)).toMatchObject(
    ['один', 'два', 'три'].map((text, at) => ({
      task_hash: sha256(forms[at] ?? ''),
      asked_as: sha256(text),
      error: null,
      file,
    })),
  );
});

test('what can be no task is said once, and noted under the hash of the file with what mends it', async () => {
  const repo = await bareBridge();
  const [text, json] = [join(repo.dir, 'task.txt'), join(repo.dir, 'task.json')];
  const { problems: ofText } = await startWatch(repo, text);
  const { problems: ofJson } = await startWatch(repo, json);
  const bad: [string, Buffer, RegExp, RegExp][] = [
    [text, Buffer.from([0xc3, 0x28]), /not valid UTF-8/, /UTF-8/],
    [text, Buffer.from([0xff, 0xfe, 0x41]), /UTF-16, and is damaged/, /again/],
    [text, Buffer.alloc(10_001, 'x'), /has 10001 bytes; the limit is 10000/, /less/],
    [text, Buffer.alloc(30_000, 'y'), /has 30000 bytes; the limit is 10000/, /less/],
    [json, Buffer.from('{"prompt": "2+2"'), /not JSON/, /Messages/],
    [json, Buffer.from('{"promt": "2+2"}'), /"promt"/, /Messages/],
  ];
  for (const [at, [file, bytes]] of bad.entries()) {
    await writeFile(file, bytes);
    await waitUntil(async () => (await notesOf(repo)).length > at, `note ${at}`);
    // The same once more is nothing new.
    await writeFile(file, bytes);
  }
  await writeFile(text, 'good');
  await waitForTasks(repo, 1);

  const notes = await notesOf(repo);
  expect(notes).toMatchObject(
    bad.map(([file, bytes, message, remedy]) => ({
      task_hash: sha256(bytes),
      asked_as: null,
      file,
      error: {
        code: 'invalid_task',
        message: expect.stringMatching(new RegExp(`^${file} .*${message.source}`)),
        remedy: expect.stringMatching(remedy),
      },
    })),
  );
  expect([...ofText, ...ofJson].map(({ message }) => message)).toEqual(
    notes.map(({ error }) => (error as { message: string }).message),
  );
  expect((await stat(join(repo.gitDir, 'bridge', 'watched.log'))).mode & 0o777).toBe(0o640);
});

test('a folder or a pipe in the place of the file is said, and the file that comes there is asked', async () => {
  const repo = await bareBridge();
  const file = join(repo.dir, 'task.txt');
  await mkdir(file);
  const { problems } = await startWatch(repo, file);
  expect(problems).toMatchObject([{ message: expect.stringMatching(/is no plain file$/) }]);
  await rm(file, { recursive: true });
  await writeFile(file, 'now');
  expect(await waitForTasks(repo, 1)).toEqual(['now']);
});
