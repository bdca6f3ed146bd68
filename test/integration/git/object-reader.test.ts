import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { writeBlob } from '../../../src/git/commit-file.js';
import { type ObjectReader, openObjectReader } from '../../../src/git/object-reader.js';
import { type BareBridge, bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitOk } from '../../support/git.js';
import { messageWriter } from '../../support/message-writer.js';
import { writeObjectFile } from '../../support/object-files.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const MAIN = 'refs/heads/main';

/** A reader whose git writes its process id to a file each time it is started. */
async function openCounted(options: { readonly idleMs?: number } = {}): Promise<{
  repo: BareBridge;
  reader: ObjectReader;
  pids: () => Promise<number[]>;
}> {
  const repo = await bareBridge();
  const list = join(repo.dir, 'pids');
  const realGit = '"$(PATH=$REAL_PATH command -v git)"';
  await writeFile(join(repo.dir, 'git'), `#!/bin/sh\necho $$ >>'${list}'\nexec ${realGit} "$@"\n`);
  await chmod(join(repo.dir, 'git'), 0o755);
  const env = { ...repo.env, REAL_PATH: repo.env.PATH, PATH: `${repo.dir}:${repo.env.PATH}` };
  const reader = openObjectReader({ ...repo, env }, options);
  onCleanup(() => reader.close());
  return { repo, reader, pids: async () => (await readFile(list, 'utf8')).trim().split('\n').map(Number) };
}

async function openReader(): Promise<{ repo: BareBridge; reader: ObjectReader }> {
  const repo = await bareBridge();
  const reader = openObjectReader(repo);
  onCleanup(() => reader.close());
  return { repo, reader };
}

test('there is nothing where there is no such object', async () => {
  const { reader } = await openReader();
  expect(await reader.info('0'.repeat(40))).toBeNull();
  expect(await reader.read('refs/heads/nope')).toBeNull();
  expect(await reader.read('refs/heads/main:no such file')).toBeNull();
  expect((await reader.info('refs/heads/main'))?.type).toBe('commit');
});

test('many queued reads are answered each with its own, by one git', async () => {
  const { repo, reader, pids } = await openCounted();
  const texts = Array.from({ length: 40 }, (_, at) => `text ${at}\n`.repeat(at));
  const ids = texts.map((text) => writeObjectFile(repo.gitDir, 'blob', text));
  const read = await Promise.all(
    ids.map((id) => Promise.all([reader.read(id), reader.info('0'.repeat(40)), reader.read(id, 100)])),
  );
  for (const [at, text] of texts.entries()) {
    const [whole, none, bounded] = read[at] ?? [];
    expect(whole?.info).toMatchObject({ id: ids[at], type: 'blob', size: text.length });
    expect(whole?.content.toString()).toBe(text);
    expect(none).toBeNull();
    expect(bounded === null).toBe(text.length > 100);
  }
  expect(await pids()).toHaveLength(1);
});

test('many small ones are read at once, each at its place, and what is large or missing is null', async () => {
  const { repo, reader, pids } = await openCounted();
  const texts = Array.from({ length: 700 }, (_, at) => `${at}\n\0`.repeat(at % 300));
  const ids = texts.map((text) => writeObjectFile(repo.gitDir, 'blob', text));
  const names = ids.flatMap((id, at) => (at % 100 === 0 ? [id, '0'.repeat(40), id] : [id]));
  const read = await reader.readSmall(names, 1000);
  expect(read).toHaveLength(names.length);
  for (const [at, name] of names.entries()) {
    const text = texts[ids.indexOf(name)];
    const expected = text === undefined || text.length > 1000 ? null : text;
    expect(read[at]?.content.toString() ?? null).toBe(expected);
    expect(read[at]?.info.id ?? name).toBe(name);
  }
  expect(await reader.readSmall([], 1000)).toEqual([]);
  await expect(reader.readSmall([MAIN, `${MAIN}\ninfo HEAD`], 1000)).rejects.toThrow(/line break/);
  expect((await reader.read(MAIN))?.info.type).toBe('commit');
  expect(await pids()).toHaveLength(1);
});

test('an object of some megabytes and of every byte comes whole, and what is read next is right', async () => {
  const { repo, reader } = await openReader();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  const large = Buffer.concat(Array<Buffer>(12_000).fill(bytes));
  const id = await writeBlob(repo, large);
  expect((await reader.read(id))?.content.equals(large)).toBe(true);
  expect(await reader.read(id, large.length - 1)).toBeNull();
  expect((await reader.read(id, large.length))?.content.length).toBe(large.length);
  expect((await reader.info(MAIN))?.type).toBe('commit');
});

test('a name is followed: a ref, and a file of a commit', async () => {
  const { repo, reader } = await openReader();
  const writer = messageWriter(repo.gitDir, repo.env);
  const task = await writer.ask(await repo.git(['rev-parse', 'main']), '2+2');
  await repo.git(['update-ref', MAIN, task]);
  const blob = await repo.git(['rev-parse', `${task}:task.txt`]);
  expect(await reader.info(MAIN)).toMatchObject({ id: task, type: 'commit' });
  expect(await reader.read(`${task}:task.txt`)).toEqual({
    info: { id: blob, type: 'blob', size: 3 },
    content: Buffer.from('2+2'),
  });
  expect(await reader.read(`${task}:task`)).toBeNull();
  expect(await reader.read(`${blob}:task.txt`)).toBeNull();
});

test('objects are read in a repository of sha256', async () => {
  const gitDir = join(await tempDir(), 'clone.git');
  const env = cleanEnv(gitDir);
  await gitOk(['init', '--bare', '--quiet', '--template=', '--object-format=sha256', gitDir], { env });
  const id = (await gitOk(['hash-object', '-w', '--stdin'], { gitDir, env, input: 'a\0b' })).trim();
  const reader = openObjectReader({ gitDir, env });
  onCleanup(() => reader.close());
  expect(await reader.info(id)).toEqual({ id, type: 'blob', size: 3 });
  expect((await reader.read(id))?.content.toString()).toBe('a\0b');
});

test('an object whose file is damaged is never told as something else, and what is read next is right', async () => {
  const { repo, reader } = await openReader();
  const whole = Buffer.from(Array.from({ length: 10_000 }, (_, at) => (at * at) % 251));
  const id = await writeBlob(repo, whole);
  const file = join(repo.gitDir, 'objects', id.slice(0, 2), id.slice(2));
  const packed = await readFile(file);
  await chmod(file, 0o600);
  const body = Buffer.alloc(2000, 'x');
  const damaged = {
    empty: Buffer.alloc(0),
    'cut off': packed.subarray(0, packed.length - 200),
    'cut off early': packed.subarray(0, 20),
    'no zlib': Buffer.from('blob 4\0text'),
    'another kind': deflateSync(Buffer.concat([Buffer.from('thing 2000\0'), body])),
  };
  for (const [what, bytes] of Object.entries(damaged)) {
    await writeFile(file, bytes);
    const read = await reader.read(id).catch(() => null);
    expect(read, what).toBeNull();
    expect((await reader.info(MAIN))?.type, what).toBe('commit');
  }
  await writeFile(file, packed);
  expect((await reader.read(id))?.content.equals(whole)).toBe(true);
});

test('an object written after git was started is found', async () => {
  const { repo, reader } = await openReader();
  await reader.info(MAIN);
  const id = await writeBlob(repo, Buffer.from('late'));
  expect((await reader.read(id))?.content.toString()).toBe('late');
});

test('when git is killed the next read starts another one', async () => {
  const { reader, pids } = await openCounted();
  expect(await reader.info(MAIN)).not.toBeNull();
  const [pid = 0] = await pids();
  process.kill(pid, 'SIGKILL');
  // The one that meets the dead process may fail; it must end, and the one after it must work.
  await reader.info(MAIN).catch(() => null);
  expect(await reader.info(MAIN)).not.toBeNull();
  expect(await pids()).toHaveLength(2);
});

test('with a time for being idle git goes after it, and the next read starts another', async () => {
  const { repo, reader, pids } = await openCounted({ idleMs: 50 });
  await Promise.all([reader.info(MAIN), reader.info(MAIN)]);
  const [pid = 0, ...more] = await pids();
  expect(more).toEqual([]);
  await waitUntil(() => !isAlive(pid), 'the end of git');

  const id = await writeBlob(repo, Buffer.from('later'));
  expect((await reader.read(id))?.content.toString()).toBe('later');
  expect(await pids()).toHaveLength(2);
});

test('git that was warmed is the one that reads, and it goes as well when nobody does', async () => {
  const { reader, pids } = await openCounted({ idleMs: 300 });
  reader.warm();
  reader.warm();
  expect(await reader.info(MAIN)).not.toBeNull();
  expect(await pids()).toHaveLength(1);
  const [pid = 0] = await pids();
  await waitUntil(() => !isAlive(pid), 'the end of git');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a name with a line break cannot put in a command of its own', async () => {
  const { reader } = await openReader();
  await expect(reader.read('refs/heads/main\ninfo HEAD')).rejects.toThrow(/line break/);
  expect((await reader.info('refs/heads/main'))?.type).toBe('commit');
});

test('a call that waits when the reader is closed fails and starts no git', async () => {
  const { reader, pids } = await openCounted();
  await reader.info(MAIN);
  reader.close();
  await expect(reader.info(MAIN)).rejects.toThrow(/closed/);
  expect(await pids()).toHaveLength(1);
});

test('where there is no repository every call fails with what git said', async () => {
  const repo = await bareBridge();
  const reader = openObjectReader({ ...repo, gitDir: join(repo.dir, 'nope') });
  await expect(reader.info('HEAD')).rejects.toThrow(/not a git repository/);
  await expect(reader.info('HEAD')).rejects.toThrow(/not a git repository/);
});
