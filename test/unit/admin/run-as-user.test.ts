import { chmod, mkdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareSystem } from '../../../src/admin/prepare-system.js';
import { firstRefused, otherOwner, runAsUser } from '../../../src/admin/run-as-user.js';
import { findUser } from '../../../src/admin/unix-user.js';
import { tempDir } from '../../support/temp-dir.js';

const isRoot = process.getuid?.() === 0;
const title = isRoot ? '' : ' (skipped: takes root)';
/** `nobody`, as most systems number it. */
const nobody = { uid: 65_534, gid: 65_534 };

test('what is one’s own is worked on here, and so is what is not there', async () => {
  const dir = await tempDir();
  expect([otherOwner(dir), otherOwner(join(dir, 'none'))]).toEqual([null, null]);
});

test.skipIf(!isRoot)(
  `another user is asked what that user may do, with setpriv and without${title}`,
  async () => {
    const dir = await tempDir();
    const [open, shut] = [join(dir, 'open'), join(dir, 'shut')];
    await mkdir(open);
    await mkdir(shut);
    await chmod(dir, 0o755);
    await chmod(open, 0o777);
    await chmod(shut, 0o700);
    const tools = join(dir, 'tools');
    await mkdir(tools);
    await symlink('/bin/sh', join(tools, 'sh'));

    for (const PATH of [process.env.PATH, tools]) {
      const refused = (test: '-r' | '-w' | '-x', ...paths: string[]) =>
        firstRefused(nobody, test, paths, { PATH });
      expect(await refused('-r', open, shut)).toBe(shut);
      expect(await refused('-w', open)).toBeNull();
      expect(await refused('-w', open, dir)).toBe(dir);
      expect(await refused('-x', shut)).toBe(shut);
    }
  },
);

test.skipIf(!isRoot)(`whom the system lets nobody become is told what to run${title}`, async () => {
  // Minus one is no user anywhere.
  const ids = { uid: 2 ** 32 - 1, gid: 995 };
  await expect(runAsUser(ids, ['init', "/srv/a b's/bridge.git"], { PATH: process.env.PATH })).rejects.toThrow(
    expect.objectContaining({
      code: 'other-owner',
      message: expect.stringMatching(/^cannot become the user with the id 4294967295: /),
      remedy: `su "$(id -nu 4294967295)" -c 'llm-bridge init '\\''/srv/a b'\\''\\'\\'''\\''s/bridge.git'\\'''`,
    }),
  );
});

test.skipIf(!isRoot)(`a user who cannot read the program is not made, nor the folder${title}`, async () => {
  const dir = await tempDir();
  const name = `llmbridge-test-${process.pid}-none`;
  const env = { PATH: process.env.PATH };
  // These tests run the sources, and what a user of a bridge runs is the build.
  await expect(prepareSystem(join(dir, 'srv', 'bridge.git'), name, env)).rejects.toThrow(
    `the user ${name} cannot read `,
  );
  expect(await findUser(name, env)).toBeNull();
  await expect(stat(join(dir, 'srv'))).rejects.toThrow(/ENOENT/);
});
