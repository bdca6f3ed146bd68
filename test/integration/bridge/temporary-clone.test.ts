import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { TemporaryClone } from '../../../src/bridge/temporary-clone.js';
import { fetchMain, REMOTE_MAIN_REF } from '../../../src/git/fetch.js';
import { gitText } from '../../../src/git/run-git.js';
import { bareBridge } from '../../support/bare-bridge.js';
import { onCleanup } from '../../support/on-cleanup.js';

/** A clone with main in it, in a folder for temporary files of its own. */
async function start() {
  const bridge = await bareBridge();
  const temp = join(bridge.dir, 'tmp');
  await mkdir(temp);
  vi.stubEnv('TMPDIR', temp);
  onCleanup(() => {
    vi.unstubAllEnvs();
  });
  const clone = await TemporaryClone.open('test', bridge.env ?? {});
  let fills = 0;
  const fill = async () => {
    fills += 1;
    await fetchMain(clone.repo, bridge.gitDir);
  };
  await fill();
  const main = await bridge.git(['rev-parse', 'main']);
  const read = async () => (await gitText(clone.repo, ['log', '-1', '--format=%H', REMOTE_MAIN_REF])).trim();
  return { temp, clone, main, read, fill, fills: () => fills };
}

/** What a cleaner of temporary files may leave of the folder. */
const CLEANED: Record<string, (temp: string, gitDir: string) => Promise<void>> = {
  'its folder is gone': (_temp, gitDir) => rm(join(gitDir, '..'), { recursive: true }),
  'the folder of all temporary files is gone': (temp) => rm(temp, { recursive: true }),
  'its objects are gone': (_temp, gitDir) => rm(join(gitDir, 'objects'), { recursive: true }),
  // Cleaners may keep folders. git takes this one for a repository.
  'its objects are gone, but not their folder': async (_temp, gitDir) => {
    await rm(join(gitDir, 'objects'), { recursive: true });
    await mkdir(join(gitDir, 'objects'));
  },
  'its HEAD and config are gone': async (_temp, gitDir) => {
    for (const name of ['HEAD', 'config']) await rm(join(gitDir, name));
  },
};

test.each(Object.keys(CLEANED))('a clone is made again and filled again where %s', async (name) => {
  const { temp, clone, main, read, fill, fills } = await start();
  await CLEANED[name]?.(temp, clone.repo.gitDir);
  expect(await clone.use(read, fill)).toBe(main);
  expect(fills()).toBe(2);
  expect(await clone.use(read, fill)).toBe(main);
  expect(fills()).toBe(2);
  await clone.close();
  expect(await readdir(temp)).toEqual([]);
});

test('what fails with a sound clone fails, and is not done again', async () => {
  const { clone, fill, fills } = await start();
  let times = 0;
  const failing = async () => {
    times += 1;
    throw new Error('no network');
  };
  await expect(clone.use(failing, fill)).rejects.toThrow('no network');
  expect([times, fills()]).toEqual([1, 1]);
  await clone.close();
});

test('a clone that is made again leaves large files on the server as before', async () => {
  const { env = {} } = await bareBridge();
  const clone = await TemporaryClone.open('test', env, 1000);
  onCleanup(() => clone.close());
  const before = clone.repo;
  await rm(before.gitDir, { recursive: true });
  const look = () => gitText(clone.repo, ['count-objects']);

  await clone.use(look, async () => {});

  expect(clone.repo).toEqual({ ...before, gitDir: clone.repo.gitDir });
  expect(clone.repo).toMatchObject({ isDisposable: true, leavesOutBytes: 1000 });
});
