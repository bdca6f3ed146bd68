import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkStateFolder } from '../../../src/admin/doctor/check-state-folder.js';
import { openStateFolder } from '../../../src/agent/state-folder.js';
import { tryKernelLock } from '../../../src/process/file-lock.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';

function open(dir: string, signal = new AbortController().signal) {
  const told: string[] = [];
  const state = openStateFolder(
    dir,
    signal,
    () => told.push('lost'),
    () => told.push('waits'),
  );
  return { state, told };
}

test('a folder is taken by one, given back, and taken by the next, and doctor says which', async () => {
  const dir = join(await tempDir(), 'deep', 'state');
  const first = await open(dir).state;
  expect(first.cloneDir).toBe(join(dir, 'bridge.git'));
  expect(await checkStateFolder(dir, Date.now())).toMatchObject({
    status: 'ok',
    text: `an agent runs in ${dir}`,
  });
  const { state, told } = open(dir);
  // It waits, for an agent that is about to end. That doctor looked took nothing from the first.
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(['waits']);
  await first.release();
  await (await state).release();
  expect(await checkStateFolder(dir, Date.now())).toMatchObject({
    text: `${dir} can be written, and no agent runs in it`,
  });
  expect(told).toEqual(['waits']);
});

test('a folder that every user can write in, or of another user, is refused, by doctor too', async () => {
  const dir = join(await tempDir(), 'state');
  await mkdir(dir);
  const refused = async (fault: string) => {
    await expect(open(dir).state).rejects.toMatchObject({
      code: 'state-folder',
      message: expect.stringContaining(`${dir} ${fault}`),
      remedy: expect.stringContaining('--state-dir'),
    });
    expect(await checkStateFolder(dir, Date.now())).toMatchObject({ status: 'broken' });
    expect(await readdir(dir)).toEqual([]);
  };
  for (const mode of [0o777, 0o1777]) {
    await chmod(dir, mode);
    await refused('can be written by others');
  }
  // A group of one's own.
  await chmod(dir, 0o775);
  await (await open(dir).state).release();
  await rm(join(dir, 'lock'));
  if (process.getuid?.() !== 0) return;
  await chown(dir, 65_534, 65_534);
  await refused('belongs to another user');
});

test('a lock goes with the process that was killed, at once, and not with another that has its number', async () => {
  const file = join(await tempDir(), 'lock');
  const script = `
    const { openSync } = require('node:fs');
    const fd = openSync(process.argv[1], 'a');
    const { spawn } = require('node:child_process');
    spawn('flock', ['-n', '-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] })
      .on('exit', () => { console.log('taken'); setInterval(() => {}, 1000); });`;
  const holder = spawn(process.execPath, ['-e', script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  onCleanup(() => void holder.kill('SIGKILL'));
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  expect(await tryKernelLock(file)).toEqual({ status: 'held' });
  const ended = new Promise((resolve) => holder.once('exit', resolve));
  holder.kill('SIGKILL');
  await ended;
  const lock = await tryKernelLock(file);
  expect(lock.status).toBe('taken');
  if (lock.status === 'taken') await lock.release();
});

test('without a flock program a second is refused all the same, and doctor sees an agent that runs or was killed', async () => {
  const dir = await tempDir();
  const { PATH } = process.env;
  process.env.PATH = dir;
  onCleanup(() => {
    process.env.PATH = PATH;
  });
  const first = await open(dir).state;
  const controller = new AbortController();
  const { state, told } = open(dir, controller.signal);
  state.catch(() => {});
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(['waits']);
  expect(await checkStateFolder(dir, Date.now())).toMatchObject({
    status: 'ok',
    text: `an agent runs in ${dir}`,
  });
  // A killed agent leaves the same lock, and touches it no more.
  expect(await checkStateFolder(dir, Date.now() + 60_000)).toMatchObject({
    status: 'warning',
    text: expect.stringContaining('is locked by an agent that was killed'),
    remedy: expect.stringContaining('takes it over'),
  });
  controller.abort();
  await expect(state).rejects.toThrow(/abort/i);
  await first.release();
  expect(await checkStateFolder(dir, Date.now())).toMatchObject({
    text: `${dir} can be written, and no agent runs in it`,
  });
  await (await open(dir).state).release();
});

test('a folder that cannot be made or written is named, with what to do', async () => {
  const dir = await tempDir();
  await writeFile(join(dir, 'file'), '');
  await expect(open(join(dir, 'file', 'state')).state).rejects.toMatchObject({
    code: 'state-folder',
    message: expect.stringMatching(/cannot use the state folder .* \(ENOTDIR\)/),
  });
  // A read-only folder that not even root can write to: what the lock is to be made of is a folder.
  await mkdir(join(dir, 'lock'));
  await expect(open(dir).state).rejects.toMatchObject({
    code: 'state-folder',
    remedy: expect.stringMatching(/writable/),
  });
});
