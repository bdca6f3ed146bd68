import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { closedToGroup, openToGroup, settleModes } from '../../../src/admin/settle-modes.js';
import { tempDir } from '../../support/temp-dir.js';

/** What git makes of a bridge under a umask of 077. */
const MADE: Readonly<Record<string, number>> = {
  refs: 0o700,
  'refs/heads': 0o2700,
  bridge: 0o700,
  hooks: 0o700,
  'hooks/pre-receive': 0o700,
  HEAD: 0o600,
  config: 0o600,
  'bridge/pack': 0o400,
};

async function closedBridge(): Promise<{ gitDir: string; modes: () => Promise<Record<string, string>> }> {
  const gitDir = path.join(await tempDir(), 'bridge.git');
  await mkdir(gitDir);
  for (const [name, mode] of Object.entries(MADE)) {
    const file = path.join(gitDir, name);
    if (['refs', 'refs/heads', 'bridge', 'hooks'].includes(name)) await mkdir(file);
    else await writeFile(file, '');
    await chmod(file, mode);
  }
  await chmod(gitDir, 0o700);
  const modes = async () => {
    const rows = ['.', ...Object.keys(MADE)].map(async (name) => {
      const { mode } = await stat(path.join(gitDir, name));
      return [name, (mode & 0o7777).toString(8)];
    });
    return Object.fromEntries(await Promise.all(rows));
  };
  return { gitDir, modes };
}

test.skipIf(process.platform === 'win32')('what git made under a umask is opened to the group', async () => {
  const { gitDir, modes } = await closedBridge();
  await settleModes(gitDir);
  expect(await modes()).toEqual({
    ...{ '.': '750', refs: '750', 'refs/heads': '2750', bridge: '750', hooks: '750' },
    ...{ 'hooks/pre-receive': '755', HEAD: '640', config: '640', 'bridge/pack': '440' },
  });
  expect(await closedToGroup(gitDir)).toEqual([]);
});

test.skipIf(process.platform === 'win32')(
  'what an older version left closed is found and opened',
  async () => {
    const { gitDir } = await closedBridge();
    await chmod(gitDir, 0o750);
    const closed = ['HEAD', 'config', 'hooks', 'bridge', 'refs', 'refs/heads'];
    expect(await closedToGroup(gitDir)).toEqual(closed.map((name) => path.join(gitDir, name)));
    expect(await openToGroup(gitDir)).toBe(closed.length);
    expect(await closedToGroup(gitDir)).toEqual([]);
  },
);

test.skipIf(process.platform === 'win32')(
  'the objects of a push that is not let in yet are closed to all but git, and that is no fault',
  async () => {
    const { gitDir } = await closedBridge();
    await settleModes(gitDir);
    const quarantine = path.join(gitDir, 'objects', 'tmp_objdir-incoming-a1B2c3');
    await mkdir(path.join(quarantine, 'pack'), { recursive: true });
    await chmod(path.join(gitDir, 'objects'), 0o750);
    await chmod(quarantine, 0o700);
    expect(await closedToGroup(gitDir)).toEqual([]);
    expect(await openToGroup(gitDir)).toBe(0);
    expect((await stat(quarantine)).mode & 0o777).toBe(0o700);
  },
);

test.skipIf(process.platform === 'win32')(
  'what clients have sent to a gateway stays with its owner, and that is no fault',
  async () => {
    const { gitDir } = await closedBridge();
    await settleModes(gitDir);
    const batches = path.join(gitDir, 'bridge', 'batches');
    await mkdir(batches);
    await chmod(batches, 0o700);
    expect(await closedToGroup(gitDir)).toEqual([]);
    expect(await openToGroup(gitDir)).toBe(0);
    expect((await stat(batches)).mode & 0o777).toBe(0o700);
  },
);
