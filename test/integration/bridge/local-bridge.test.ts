import { chown, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isOwner, openLocalBridge } from '../../../src/bridge/local-bridge.js';
import { writeBlob } from '../../../src/git/commit-file.js';
import { looseObjectId } from '../../../src/git/loose-object.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

test('a bridge is opened by its path', async () => {
  const { gitDir, env } = await bareBridge();
  const bridge = await openLocalBridge(`${gitDir}/../bridge.git/`, { env, asOwner: true });
  expect(bridge.repo.gitDir).toBe(gitDir);
  expect(bridge.settings.version).toBe(2);
});

test('a bridge of another protocol is not opened, for reading either, and what mends it is said', async () => {
  const { gitDir, env, git } = await bareBridge();
  for (const [version, code, remedy] of [
    ['1', 'older-bridge', `llm-bridge init ${gitDir}`],
    ['3', 'newer-bridge', 'git pull'],
  ] as const) {
    await git(['config', 'bridge.version', version]);
    for (const asOwner of [true, false]) {
      await expect(openLocalBridge(gitDir, { env, asOwner })).rejects.toMatchObject({
        code,
        remedy: expect.stringContaining(remedy),
      });
    }
  }
});

test('a path that is not there is told, with the way to make it', async () => {
  const { dir, gitDir, env } = await bareBridge();
  for (const missing of [join(dir, 'nope'), join(gitDir, 'HEAD', 'below')]) {
    await expect(openLocalBridge(missing, { env, asOwner: true })).rejects.toMatchObject({
      code: 'no-such-repository',
      remedy: expect.stringContaining(`llm-bridge init ${missing}`),
    });
  }
});

test('a file, a folder, and a repository that is no bridge are not opened', async () => {
  const { dir, gitDir, env, git } = await bareBridge();
  await writeFile(join(dir, 'file'), '');
  await git(['config', '--remove-section', 'bridge']);
  for (const other of [join(dir, 'file'), dir, gitDir]) {
    await expect(openLocalBridge(other, { env, asOwner: false })).rejects.toMatchObject({
      code: 'not-a-bridge',
    });
  }
});

test.runIf(isRoot)("another user's bridge is opened for reading, and not as its owner", async () => {
  const { gitDir, env } = await bareBridge();
  await chown(gitDir, NOBODY, NOBODY);
  expect(isOwner(NOBODY)).toBe(false);
  expect((await openLocalBridge(gitDir, { env, asOwner: false })).settings.version).toBe(2);
  await expect(openLocalBridge(gitDir, { env, asOwner: true })).rejects.toMatchObject({
    code: 'other-owner',
    remedy: `run the same as its owner: sudo -u '#${NOBODY}' -H llm-bridge … --repo ${gitDir}`,
  });
});

test('what its owner writes has the modes that git gives there, whatever the umask', async () => {
  const bridge = await bareBridge();
  await bridge.git(['config', 'core.sharedRepository', '0640']);
  const { repo } = await openLocalBridge(bridge.gitDir, { env: bridge.env, asOwner: true });
  const modeOf = async (id: string) => {
    const folder = join(bridge.gitDir, 'objects', id.slice(0, 2));
    return [await stat(folder), await stat(join(folder, id.slice(2)))].map((one) => one.mode & 0o7777);
  };
  const umask = process.umask(0o022);
  onCleanup(() => void process.umask(umask));
  // In a folder that was there before, and has the modes of the fixture, none of the two makes one.
  const firstOfItsFolder = async (words: string) => {
    const folders = await readdir(join(bridge.gitDir, 'objects'));
    for (let n = 0; ; n++) {
      const content = Buffer.from(`${words} ${n}`);
      if (!folders.includes(looseObjectId({ type: 'blob', content }, 'sha1').slice(0, 2))) return content;
    }
  };
  for (const mask of [0o022, 0o077]) {
    process.umask(mask);
    const theirs = await bridge.git(['hash-object', '-w', '--stdin'], await firstOfItsFolder('git'));
    const ours = await writeBlob(repo, await firstOfItsFolder('ours'));
    expect(await modeOf(ours)).toEqual(await modeOf(theirs));
    expect(await modeOf(ours)).toEqual([0o2750, 0o440]);
  }
});
