import { chmod, lchown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findOpenFolder } from '../../../src/process/trusted-folder.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P24, P26

const asRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** A folder for a test, with folders of the modes given in it; `sticky` is as /tmp. */
async function places(modes: Readonly<Record<string, number>> = {}): Promise<string> {
  const top = await tempDir();
  for (const [name, mode] of Object.entries({
    base: 0o750,
    own: 0o755,
    open: 0o777,
    sticky: 0o1777,
    ...modes,
  })) {
    await mkdir(join(top, name));
    await chmod(join(top, name), mode);
  }
  return top;
}

const find = (top: string, file: string) => findOpenFolder(join(top, file), join(top, 'base'));
const OPEN = /^can be written by others than its owner/;

test('a folder that only its owner can write in is none, whether the file is there or not', async () => {
  const top = await places();
  await writeFile(join(top, 'own/log'), '');

  expect(find(top, 'own/log')).toBeNull();
  expect(find(top, 'own/other')).toBeNull();
  expect(find(top, 'missing/log')).toBeNull();
});

test.each([0o777, 0o775, 0o772, 0o1777])(
  'one of the mode %i is, also where the file is there already',
  async (mode) => {
    const top = await places({ shared: mode });
    await writeFile(join(top, 'shared/log'), '');

    expect(find(top, 'shared/log')).toEqual({
      folder: join(top, 'shared'),
      fault: expect.stringMatching(OPEN),
    });
    expect(find(top, 'shared/other')).toMatchObject({ folder: join(top, 'shared') });
  },
);

test.skipIf(!asRoot)(
  'a group that is the user’s alone is nobody else, and others are (needs root)',
  async () => {
    const top = await places({ shared: 0o775, wide: 0o777 });
    for (const name of ['shared', 'wide']) {
      await mkdir(join(top, name, 'in'));
      await lchown(join(top, name), 0, NOBODY);
    }
    const from = (file: string, group: number | null) =>
      findOpenFolder(join(top, file), join(top, 'base'), { privateGroup: group });

    expect(from('shared/in/log', NOBODY)).toBeNull();
    expect(from('shared/in/log', 1)).toMatchObject({ folder: join(top, 'shared') });
    expect(from('shared/in/log', null)).toMatchObject({ folder: join(top, 'shared') });
    expect(from('wide/in/log', NOBODY)).toMatchObject({ folder: join(top, 'wide') });
  },
);

test('a folder above may be open where it is sticky, and what comes next is there', async () => {
  const top = await places();
  for (const name of ['open/in', 'sticky/in']) await mkdir(join(top, name));

  expect(find(top, 'sticky/in/log')).toBeNull();
  expect(find(top, 'sticky/not/log')).toMatchObject({ folder: join(top, 'sticky') });
  expect(find(top, 'open/in/log')).toMatchObject({ folder: join(top, 'open') });
});

test('a symlink is followed, of a file and of a folder, and each folder that holds one counts', async () => {
  const top = await places();
  await mkdir(join(top, 'sticky/in'));
  await symlink(join(top, 'own/log'), join(top, 'sticky/in/to-own'));
  await symlink('../open/log', join(top, 'own/to-open'));
  await symlink('../own', join(top, 'own/up'));
  await symlink(join(top, 'own'), join(top, 'open/to-own'));
  await symlink(join(top, 'open/to-own'), join(top, 'own/by-open'));

  expect(find(top, 'sticky/in/to-own')).toBeNull();
  expect(find(top, 'own/up/up/log')).toBeNull();
  expect(find(top, 'own/to-open')).toMatchObject({ folder: join(top, 'open') });
  expect(find(top, 'open/to-own/log')).toMatchObject({ folder: join(top, 'open') });
  expect(find(top, 'own/by-open/log')).toMatchObject({ folder: join(top, 'open') });
});

test('symlinks that lead in a circle are an error and not for ever', async () => {
  const top = await places();
  await symlink('b', join(top, 'own/a'));
  await symlink('a', join(top, 'own/b'));

  expect(find(top, 'own/a')).toMatchObject({ fault: 'has symlinks that lead nowhere' });
});

test('what lies above the base is not asked about a file in it, and its folders are', async () => {
  const top = await places({ above: 0o777 });
  const base = join(top, 'above/bridge.git');
  await mkdir(join(base, 'bridge'), { recursive: true });
  await symlink(join(top, 'open/log'), join(base, 'bridge/to-open'));

  expect(findOpenFolder(join(base, 'bridge/answers.log'), base)).toBeNull();
  expect(findOpenFolder(join(base, 'bridge/to-open'), base)).toMatchObject({ folder: join(top, 'open') });
  await chmod(join(base, 'bridge'), 0o775);
  expect(findOpenFolder(join(base, 'bridge/answers.log'), base)).toMatchObject({
    folder: join(base, 'bridge'),
  });
});

test.skipIf(!asRoot)('what belongs to another user is his, whatever its mode (needs root)', async () => {
  const top = await places({ his: 0o755 });
  await lchown(join(top, 'his'), NOBODY, NOBODY);
  await mkdir(join(top, 'his/in'));
  // A symlink of his where he may make one, to a folder where he may not.
  await symlink(join(top, 'own'), join(top, 'sticky/planted'));
  await lchown(join(top, 'sticky/planted'), NOBODY, NOBODY);

  for (const file of ['his/log', 'his/in/log'])
    expect(find(top, file)).toEqual({ folder: join(top, 'his'), fault: 'belongs to another user' });
  expect(find(top, 'sticky/planted/log')).toMatchObject({ folder: join(top, 'sticky') });
});
