import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseBridgeSettings, readBridgeSettings } from '../../../src/bridge/bridge-settings.js';
import { bareBridge } from '../../support/bare-bridge.js';

test('what is not set has its default', async () => {
  const repo = await bareBridge();
  expect(await readBridgeSettings(repo)).toEqual({
    version: 2,
    taskTtlMs: 604_800_000,
    maxTaskBytes: 8_388_608,
    maxAnswerBytes: 8_388_608,
    answersLog: join(repo.gitDir, 'bridge/answers.log'),
    onAnswerRetryMs: 5000,
    ids: 'sha1',
    onAnswerTimeoutMs: 60_000,
    claimLeaseMs: null,
    maxStreamBytes: 16_777_216,
  });
});

test('what is set is taken, the last one where there are two', async () => {
  const repo = await bareBridge();
  await repo.git(['config', 'bridge.taskTtl', '12h']);
  await repo.git(['config', 'bridge.maxTaskBytes', '5']);
  await repo.git(['config', '--add', 'bridge.maxTaskBytes', '1000']);
  await repo.git(['config', 'bridge.maxAnswerBytes', '2000']);
  await repo.git(['config', 'bridge.claimLease', '30s']);
  await repo.git(['config', 'bridge.maxStreamBytes', '4000']);
  await repo.git(['config', 'bridge.answersLog', '/var/log/a b\n.log']);
  expect(await readBridgeSettings(repo)).toEqual({
    version: 2,
    taskTtlMs: 43_200_000,
    maxTaskBytes: 1000,
    maxAnswerBytes: 2000,
    answersLog: '/var/log/a b\n.log',
    onAnswerRetryMs: 5000,
    ids: 'sha1',
    onAnswerTimeoutMs: 60_000,
    claimLeaseMs: 30_000,
    maxStreamBytes: 4000,
  });
});

test('the lines that ssh-command reads say the same, and nothing where they are not clear', async () => {
  const repo = await bareBridge();
  const lines = async () =>
    (
      await repo.git(['config', '--file', `${repo.gitDir}/config`, '--get-regexp', '^(bridge|extensions)\\.'])
    ).split('\n');
  const settings: [string, string][] = [
    ['bridge.taskTtl', '12h'],
    ['bridge.maxTaskBytes', ''],
    ['bridge.maxAnswerBytes', '2000'],
    ['bridge.claimLease', '30s'],
    ['bridge.answersLog', ' /var/log/a  b.log '],
    ['extensions.objectFormat', 'sha256'],
  ];
  for (const [key, value] of settings) {
    await repo.git(['config', '--add', key, value]);
    if (key.startsWith('bridge'))
      expect(parseBridgeSettings(repo.gitDir, await lines())).toEqual(await readBridgeSettings(repo));
  }
  expect(parseBridgeSettings(repo.gitDir, await lines())).toMatchObject({
    ids: 'sha256',
    maxAnswerBytes: 2000,
  });
  expect(parseBridgeSettings(repo.gitDir, [])).toBeNull();
  expect(parseBridgeSettings(repo.gitDir, [''])).toBeNull();
  expect(parseBridgeSettings(repo.gitDir, ['bridge.answerslog a', '.log'])).toBeNull();
});

test.each([
  ['0', null],
  ['0s', null],
  ['soon', 60_000],
  ['1w', 300_000],
] as const)('a lease of %s is one of %s ms', async (text, ms) => {
  const repo = await bareBridge();
  await repo.git(['config', 'bridge.claimLease', text]);
  expect(await readBridgeSettings(repo)).toMatchObject({ claimLeaseMs: ms });
});

test('what is no number has its default', async () => {
  const repo = await bareBridge();
  for (const [key, value] of [
    ['taskTtl', 'soon'],
    ['maxTaskBytes', '-1'],
    ['maxAnswerBytes', 'many'],
    ['answersLog', ''],
  ] as const)
    await repo.git(['config', `bridge.${key}`, value]);
  expect(await readBridgeSettings(repo)).toMatchObject({
    taskTtlMs: 604_800_000,
    maxTaskBytes: 8_388_608,
    maxAnswerBytes: 8_388_608,
    answersLog: join(repo.gitDir, 'bridge/answers.log'),
  });
});

test('a repository without the section is no bridge', async () => {
  const repo = await bareBridge();
  await repo.git(['config', '--remove-section', 'bridge']);
  expect((await readBridgeSettings(repo)).version).toBeNull();
});

test('how its ids are and whether its refs are files is told by the extensions', async () => {
  const repo = await bareBridge();
  // Written by hand: git 2.39 will not open a repository with a reftable, but reads any file.
  const config = join(repo.gitDir, 'config');
  const before = await readFile(config, 'utf8');
  await writeFile(config, `${before}[extensions]\n\tobjectFormat = sha256\n`);
  expect(await readBridgeSettings(repo)).toMatchObject({ ids: 'sha256' });
  await writeFile(config, `${before}[extensions]\n\trefStorage = reftable\n`);
  expect(await readBridgeSettings(repo)).toMatchObject({ ids: null });
});

test('settings that git cannot read are not taken for the defaults', async () => {
  const repo = await bareBridge();
  await writeFile(join(repo.gitDir, 'config'), '[bridge');
  await expect(readBridgeSettings(repo)).rejects.toMatchObject({ code: 'git-failed' });
});
