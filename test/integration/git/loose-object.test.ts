import { type FileHandle, open, readdir, rmdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { looseObjectId, writeLooseObject } from '../../../src/git/loose-object.js';
import { cleanEnv } from '../../support/clean-env.js';
import { gitOk } from '../../support/git.js';
import { tempDir } from '../../support/temp-dir.js';

test.each(['sha1', 'sha256'] as const)(
  'what is written is what git writes, in a repository of %s',
  async (ids) => {
    const gitDir = join(await tempDir(), 'clone.git');
    const env = cleanEnv(gitDir);
    await gitOk(['init', '--bare', '--quiet', '--template=', `--object-format=${ids}`, gitDir], { env });
    for (const content of ['', 'x', 'line\r\nline\0\xff', 'a'.repeat(300_000)]) {
      const bytes = Buffer.from(content, 'latin1');
      const id = await writeLooseObject(gitDir, { type: 'blob', content: bytes }, ids);

      const theirs = await gitOk(['hash-object', '--stdin', '--no-filters'], { gitDir, env, input: bytes });
      expect(`${id}\n`).toBe(theirs);
      expect(await gitOk(['cat-file', '-t', id], { gitDir, env })).toBe('blob\n');
      expect(await gitOk(['cat-file', '-s', id], { gitDir, env })).toBe(`${bytes.length}\n`);
      const folder = join(gitDir, 'objects', id.slice(0, 2));
      expect(await readdir(folder)).toEqual([id.slice(2)]);
      expect((await stat(join(folder, id.slice(2)))).mode & 0o777).toBe(0o444);
      // Again changes nothing.
      expect(await writeLooseObject(gitDir, { type: 'blob', content: bytes }, ids)).toBe(id);
    }
    await gitOk(['fsck', '--strict'], { gitDir, env });
  },
);

test('an object that is there already is as young as a new one, so that no gc takes it away', async () => {
  const gitDir = join(await tempDir(), 'clone.git');
  const env = cleanEnv(gitDir);
  await gitOk(['init', '--bare', '--quiet', '--template=', gitDir], { env });
  const object = { type: 'blob', content: Buffer.from('left over') } as const;
  const id = await writeLooseObject(gitDir, object, 'sha1');
  const long = new Date(Date.now() - 86_400_000);
  await utimes(join(gitDir, 'objects', id.slice(0, 2), id.slice(2)), long, long);
  expect(await writeLooseObject(gitDir, object, 'sha1')).toBe(id);
  await gitOk(['prune', '--expire=1.hour.ago'], { gitDir, env });
  expect(await gitOk(['cat-file', '-t', id], { gitDir, env })).toBe('blob\n');
});

test('the disk is waited for, in a repository that can be made again not', async () => {
  const gitDir = join(await tempDir(), 'clone.git');
  await gitOk(['init', '--bare', '--quiet', '--template=', gitDir], { env: cleanEnv(gitDir) });
  const handle = await open(gitDir);
  const files = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { sync } = files;
  let syncs = 0;
  files.sync = function (this: FileHandle) {
    syncs += 1;
    return sync.call(this);
  };
  try {
    const write = (text: string, isDisposable: boolean) =>
      writeLooseObject(gitDir, { type: 'blob', content: Buffer.from(text) }, 'sha1', { isDisposable });
    await write('kept', false);
    // The file and its name, and the name of its folder, which is new.
    expect(syncs).toBeGreaterThanOrEqual(2);
    syncs = 0;
    await write('made again', true);
    await write('made again', true);
    expect(syncs).toBe(0);
    await write('made again', false);
    expect(syncs).toBe(1);
  } finally {
    files.sync = sync;
  }
});

test('objects are written while gc removes the folders that it finds empty', async () => {
  const gitDir = join(await tempDir(), 'clone.git');
  const env = cleanEnv(gitDir);
  await gitOk(['init', '--bare', '--quiet', '--template=', gitDir], { env });
  let folder = '';
  let isOver = false;
  const removing = (async () => {
    while (!isOver) {
      await rmdir(folder).catch(() => {});
      await setTimeout(Math.random() * 2);
    }
  })();
  for (let index = 0; index < 300; index += 1) {
    const object = { type: 'blob', content: Buffer.from(`${index}`) } as const;
    const id = looseObjectId(object, 'sha1');
    folder = join(gitDir, 'objects', id.slice(0, 2));
    expect(await writeLooseObject(gitDir, object, 'sha1')).toBe(id);
    expect((await stat(join(folder, id.slice(2)))).size).toBeGreaterThan(0);
  }
  isOver = true;
  await removing;
});
