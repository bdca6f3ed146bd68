import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { looseIdOf, readLooseObject } from '../../../src/git/loose-files.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitOk } from '../../support/git.js';
import { messageWriter } from '../../support/message-writer.js';
import { tempDir } from '../../support/temp-dir.js';

const fileOf = (gitDir: string, id: string) => join(gitDir, 'objects', id.slice(0, 2), id.slice(2));

/** Bytes that zlib makes nothing of. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    bytes[at] = state >> 16;
  }
  return bytes;
}

test.each(['sha1', 'sha256'])('objects of git are read as they are, in a repository of %s', async (ids) => {
  const gitDir = join(await tempDir(), 'clone.git');
  const env = cleanEnv(gitDir);
  await gitOk(['init', '--bare', '--quiet', '--template=', `--object-format=${ids}`, gitDir], { env });
  const contents = [
    ...['', 'x', 'a\0b\xff\r\n', 'y'.repeat(3_000_000)].map((text) => Buffer.from(text, 'latin1')),
    ...[100, 4000, 4070, 4084, 4090, 4096, 4200, 1_000_000].map(noise),
  ];
  for (const bytes of contents) {
    for (const level of ['0', '1', '9']) {
      const args = ['-c', `core.looseCompression=${level}`, 'hash-object', '-w', '--stdin', '--no-filters'];
      const input = Buffer.concat([bytes, Buffer.from(level)]);
      const id = (await gitOk(args, { gitDir, env, input })).trim();
      const read = await readLooseObject({ gitDir, env }, id);
      expect(read?.info).toEqual({ id, type: 'blob', size: input.length });
      expect(read?.content?.equals(input), `${bytes.length} at level ${level}`).toBe(true);
      expect(await readLooseObject({ gitDir, env }, id, input.length - 1)).toEqual({
        info: read?.info,
        content: null,
      });
    }
  }
});

test('a name is followed as git follows it: a ref, and a file of a commit', async () => {
  const repo = await bareBridge();
  const writer = messageWriter(repo.gitDir, repo.env);
  const root = await repo.git(['rev-parse', 'main']);
  const task = await writer.ask(root, '2+2');
  await repo.git(['update-ref', 'refs/heads/main', task]);
  const blob = await repo.git(['rev-parse', `${task}:task.txt`]);
  expect(await looseIdOf(repo, task, 'task.txt')).toBe(blob);
  expect(await looseIdOf(repo, task, 'task')).toBeNull();
  expect(await looseIdOf(repo, blob, 'task.txt')).toBeNull();
  const reader = openObjectReader({ ...repo, env: { ...repo.env, PATH: await tempDir() } });
  // There is no git in this PATH.
  expect(await reader.info('refs/heads/main')).toMatchObject({ id: task, type: 'commit' });
  expect((await reader.read(`${task}:task.txt`))?.content.toString()).toBe('2+2');
  expect((await reader.read(blob, 3))?.info).toEqual({ id: blob, type: 'blob', size: 3 });
  expect(await reader.read(blob, 2)).toBeNull();
  await expect(reader.info('f'.repeat(40))).rejects.toThrow();
  reader.close();
});

test('in a hook, objects are in quarantine and in the repository', async () => {
  const repo = await bareBridge();
  const outside = await repo.git(['hash-object', '-w', '--stdin'], 'outside');
  const quarantine = join(repo.gitDir, 'objects', 'tmp_objdir-incoming-x');
  await mkdir(quarantine);
  const inside = (
    await gitOk(['hash-object', '-w', '--stdin'], {
      gitDir: repo.gitDir,
      env: { ...repo.env, GIT_OBJECT_DIRECTORY: quarantine },
      input: 'inside',
    })
  ).trim();
  for (const [own, other] of [
    [quarantine, join(repo.gitDir, 'objects')],
    ['./objects/tmp_objdir-incoming-x', `${repo.dir}/nowhere:objects`],
  ]) {
    const hook = {
      ...repo,
      env: { ...repo.env, GIT_OBJECT_DIRECTORY: own, GIT_ALTERNATE_OBJECT_DIRECTORIES: other },
    };
    expect((await readLooseObject(hook, inside))?.content?.toString()).toBe('inside');
    expect((await readLooseObject(hook, outside))?.content?.toString()).toBe('outside');
  }
  expect(await readLooseObject(repo, inside)).toBeNull();
});

test('a file that is not as git writes it is left to git, for which it is as good as missing', async () => {
  const repo = await bareBridge();
  const id = await repo.git(['hash-object', '-w', '--stdin'], noise(10_000));
  const file = fileOf(repo.gitDir, id);
  const whole = await readFile(file);
  await chmod(file, 0o600);
  const body = Buffer.alloc(2000, 'x');
  const broken = [
    ['empty', Buffer.alloc(0)],
    ['cut off', whole.subarray(0, 5000)],
    ['cut off early', whole.subarray(0, 20)],
    ['no zlib', Buffer.from('blob 4\0text')],
    ['another kind', deflateSync(Buffer.concat([Buffer.from('thing 2000\0'), body]))],
    ['longer than it says', deflateSync(Buffer.concat([Buffer.from('blob 1999\0'), body]))],
    ['shorter than it says', deflateSync(Buffer.concat([Buffer.from('blob 2001\0'), body]))],
    [
      'much longer than it says',
      deflateSync(Buffer.concat([Buffer.from('blob 3\0'), Buffer.alloc(50_000_000)])),
    ],
    ['a size with a zero in front', deflateSync(Buffer.concat([Buffer.from('blob 02000\0'), body]))],
  ] as const;
  for (const [what, bytes] of broken) {
    await writeFile(file, bytes);
    expect(await readLooseObject(repo, id), what).toBeNull();
  }
  const reader = openObjectReader(repo);
  expect(await reader.read(id)).toBeNull();
  reader.close();
  await writeFile(file, whole);
  await rename(file, `${file}.real`);
  await symlink(`${file}.real`, file);
  expect((await readLooseObject(repo, id))?.info.size).toBe(10_000);
  await chmod(`${file}.real`, 0);
  if (process.getuid?.() !== 0) expect(await readLooseObject(repo, id)).toBeNull();
});

test('what is no full id is no file', async () => {
  const repo = await bareBridge();
  for (const name of [
    '',
    'main',
    'HEAD',
    '../../../etc/passwd',
    'a'.repeat(39),
    `${'a'.repeat(40)}/..`,
    'A'.repeat(40),
  ])
    expect(await readLooseObject(repo, name)).toBeNull();
});
