import { appendFile, chmod, lstat, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { checkModes } from '../../../src/admin/doctor/check-modes.js';
import { addKey } from '../../../src/admin/keys.js';
import { makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { announceGateway } from '../../../src/admin/running-gateways.js';
import { claimRef, writeClaim } from '../../../src/protocol/claim.js';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const umask = process.umask(0o022);
process.umask(umask);
afterEach(() => void process.umask(umask));

const logOf = ({ repoPath }: PlainBridge) => join(repoPath, 'bridge', 'answers.log');

/** `mode path` of all that is in a bridge, objects of git's aside, which follow core.sharedRepository. */
async function modesOf(repoPath: string): Promise<string[]> {
  const names = (await readdir(repoPath, { recursive: true })).filter((name) => !/^objects\/.+\//.test(name));
  const rows = ['.', ...names.sort()].map(async (name) => {
    const { mode } = await lstat(join(repoPath, name));
    return `${(mode & 0o777).toString(8)} ${name}`;
  });
  return Promise.all(rows);
}

/**
 * Lets a bridge do whatever makes a file in it, by the umask that is set: its owner's commands, pushes,
 * hooks, the dispatcher, a gateway.
 */
async function useAll(bridge: PlainBridge): Promise<void> {
  const { repoPath, env, writer } = bridge;
  const { publicKeyFile } = await makeKeyPair(join(bridge.dir, 'key'), 'home-pc');
  const store = { repoPath, authorizedKeysFile: join(bridge.dir, 'authorized_keys'), env };
  await addKey(store, { name: 'home-pc', role: 'agent', key: publicKeyFile });
  await writeFile(join(bridge.dir, 'takes'), '#!/bin/sh\ncat >/dev/null\n');
  await chmod(join(bridge.dir, 'takes'), 0o700);
  await runProcess('mv', [join(bridge.dir, 'takes'), join(repoPath, 'bridge/on-answer.d')], { env });
  const asked = await bridge.pushOk(await writer.ask(await bridge.tip(), 'q', { author: 'owner' }));
  const claim = {
    agent: 'home-pc',
    session: '1'.repeat(16),
    until: new Date(Date.now() + 9_000).toISOString(),
  };
  const ref = claimRef(asked);
  expect(await bridge.push([`${await writer.blob(writeClaim(claim))}:${ref}`], 'home-pc')).toMatchObject({
    exitCode: 0,
  });
  // Handing it back rings the doorbell.
  expect(await bridge.push([`:${ref}`], 'home-pc')).toMatchObject({ exitCode: 0 });
  await bridge.pushOk(await writer.answer(asked, anAnswer(asked, 'q'), { author: 'home-pc' }), 'home-pc');
  await waitUntil(
    async () => (await readdir(join(repoPath, 'bridge'))).includes('on-answer.state'),
    'the state of the dispatcher',
  );
  await announceGateway(join(repoPath, 'bridge'), { url: 'http://127.0.0.1:1', nowMs: Date.now() });
  await appendFile(logOf(bridge), '{"seq":');
  const owner = async (...args: string[]) => {
    const done = await runCli([...args, '--repo', repoPath], { env });
    expect(done.exitCode, done.stderr).toBe(0);
  };
  // What a power cut has left is put right, and noted.
  await rm(join(repoPath, 'HEAD'));
  await owner('ingest');
  await owner('ingest', '--rebuild');
  await rm(logOf(bridge));
  await owner('ingest');
  await gitOk(['gc', '--quiet'], { gitDir: repoPath, env });
}

test.each([0o000, 0o077])('what a bridge is made of has its modes, whatever the umask (%i)', async (mask) => {
  process.umask(mask);
  const bridge = await startPlainBridge();
  onCleanup(() => rm(join(bridge.repoPath, 'bridge/on-answer.d'), { recursive: true, force: true }));
  await useAll(bridge);

  const rows = await modesOf(bridge.repoPath);
  const names = rows.map((row) => row.slice(row.indexOf(' ') + 1));
  const made = ['answers.log', 'answers.log.torn', 'bell', 'ingest.lock', 'keys.lock', 'on-answer.lock'];
  for (const name of [...made, 'gateways', 'on-answer.state/takes.json', 'principals/home-pc', 'repairs.log'])
    expect(names).toContain(`bridge/${name}`);
  const unlike = rows.filter((row) => !/^(?:640|750|440) /.test(row));
  expect(unlike).toEqual([
    // What its owner put there, and what starts programs.
    '755 bridge/find-node',
    '700 bridge/on-answer.d/takes',
    '755 bridge/receive-pack',
    '755 bridge/repair',
    '755 bridge/ssh-command',
    '755 hooks/post-receive',
    '755 hooks/pre-receive',
  ]);
  expect(await checkModes(bridge.repoPath, logOf(bridge))).toMatchObject([{ status: 'ok' }]);
});

test.skipIf(process.getuid?.() !== 0)(
  'under a umask of 077 the group reads the log, and nobody else does',
  async () => {
    process.umask(0o077);
    const dir = await tempDir();
    await chmod(dir, 0o755);
    // Folders above it that init has to make are on the way to the log.
    const repoPath = join(dir, 'a/b/bridge.git');
    const answersLog = join(repoPath, 'bridge', 'answers.log');
    expect(await runCli(['init', repoPath], { env: cleanEnv(dir) })).toMatchObject({ exitCode: 0 });
    const { gid } = await stat(answersLog);
    const by = async (groups: string, ...command: string[]) => {
      const who = ['--reuid=65534', '--regid=65534', groups];
      return (await runProcess('setpriv', [...who, ...command], { env: process.env, cwd: '/' })).exitCode;
    };
    const read = [
      'git',
      '-c',
      `safe.directory=${repoPath}`,
      '--git-dir',
      repoPath,
      'log',
      '--oneline',
      'main',
    ];

    expect(await by(`--groups=${gid}`, 'cat', answersLog)).toBe(0);
    expect(await by('--clear-groups', 'cat', answersLog)).not.toBe(0);
    expect(await by('--clear-groups', ...read)).not.toBe(0);
    expect((await stat(dirname(repoPath))).mode & 0o777).toBe(0o750);
  },
);

test('of a bridge that an older llm-bridge made under a umask of 077, doctor says so and init opens it', async () => {
  const bridge = await startPlainBridge();
  const { repoPath, env } = bridge;
  const closed = ['config', 'HEAD', 'bridge', 'bridge/principals', 'objects/pack', 'refs/heads'];
  for (const name of closed) {
    const file = join(repoPath, name);
    await chmod(file, (await stat(file)).mode & 0o700);
  }
  // The owner's own affair.
  await chmod(join(repoPath, 'bridge/on-answer.d'), 0o700);

  const [verdict, ...others] = await checkModes(repoPath, logOf(bridge));
  expect(others).toEqual([]);
  expect(verdict).toMatchObject({
    status: 'warning',
    text: expect.stringMatching(
      /^the group may enter .*, but cannot read .*HEAD, .*config, .*bridge and 3 more: /,
    ),
    remedy: expect.stringMatching(/^llm-bridge init \S+; or chmod g-rwx \S+, if only the owner shall read$/),
  });
  const again = await runCli(['init', repoPath], { env });
  expect(again).toMatchObject({ exitCode: 0, stdout: `${repoPath} upgraded: modes.\n` });
  expect(await checkModes(repoPath, logOf(bridge))).toMatchObject([{ status: 'ok' }]);
  expect((await stat(join(repoPath, 'bridge/on-answer.d'))).mode & 0o777).toBe(0o700);
});

test.each([0o000, 0o077])(
  'a config that is written again has its mode, whatever the umask (%i)',
  async (mask) => {
    const { repoPath, env } = await startPlainBridge();
    await writeFile(join(repoPath, 'config'), '');
    process.umask(mask);
    expect(await runCli(['init', repoPath], { env })).toMatchObject({ exitCode: 0 });
    expect((await stat(join(repoPath, 'config'))).mode & 0o777).toBe(0o640);
  },
);

test('a log that its group cannot read is named, unless the group is shut out of the bridge', async () => {
  const bridge = await startPlainBridge();
  await chmod(logOf(bridge), 0o600);

  expect(await checkModes(bridge.repoPath, logOf(bridge))).toMatchObject([
    { status: 'warning', remedy: expect.stringMatching(/^chmod g\+r \S+answers\.log; or chmod g-rwx /) },
  ]);
  // What init is run for again is none of that.
  expect((await runCli(['init', bridge.repoPath], { env: bridge.env })).stdout).toContain('nothing changed');

  await chmod(bridge.repoPath, 0o700);
  expect(await checkModes(bridge.repoPath, logOf(bridge))).toMatchObject([{ status: 'ok' }]);
});
