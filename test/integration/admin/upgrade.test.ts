import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { gitOk } from '../../support/git.js';
import { anAnswer } from '../../support/message-writer.js';
import { asOfProtocol1 } from '../../support/old-log.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';

let bridge: PlainBridge;
let log: string;
/** The log as it is to be after the upgrade, line by line. */
let lines: string[];

/** A bridge of protocol 1 with three answers. */
beforeEach(async () => {
  bridge = await startPlainBridge({ principals: { 'home-pc': 'agent', bot: 'asker' } });
  log = join(bridge.repoPath, 'bridge', 'answers.log');
  for (const prompt of ['a', 'b', 'c']) await exchange(prompt);
  lines = (await bridge.readLog()).split(/(?<=\n)/);
  await writeFile(log, asOfProtocol1(lines.join('')));
  await config('bridge.version', '1');
});

async function exchange(prompt: string): Promise<void> {
  const asked = await bridge.writer.ask(await bridge.tip(), prompt, { author: 'bot' });
  await bridge.pushOk(asked, 'bot');
  const answer = await bridge.writer.answer(asked, anAnswer(asked, prompt), { author: 'home-pc' });
  await bridge.pushOk(answer, 'home-pc');
}

const config = (...args: string[]) =>
  gitOk(['config', ...args], { gitDir: bridge.repoPath, env: bridge.env });
const cli = (...args: string[]) => runCli(args, { env: bridge.env });

test('init brings a bridge of protocol 1 up to date, names the old log, which it keeps, and then has nothing to do', async () => {
  await writeFile(`${log}.2.gz`, gzipSync(asOfProtocol1(lines[0] ?? '')));
  await writeFile(`${log}.1`, asOfProtocol1(lines[1] ?? ''));
  await writeFile(log, asOfProtocol1(lines[2] ?? ''));

  const { exitCode, stdout } = await cli('init', bridge.repoPath);

  expect(exitCode).toBe(0);
  expect(stdout).toContain(`${bridge.repoPath} upgraded from protocol 1: bridge.version.`);
  expect(await config('bridge.version')).toBe('2\n');
  expect(await bridge.readLog()).toBe(lines.join(''));
  const files = (await readdir(join(bridge.repoPath, 'bridge'))).filter((name) =>
    name.startsWith('answers.log'),
  );
  const aside = ['answers.log.1.protocol-1', 'answers.log.2.gz.protocol-1', 'answers.log.protocol-1'];
  expect(files.sort()).toEqual(['answers.log', ...aside]);
  for (const name of aside)
    expect(stdout).toContain(`The old log is kept: ${join(bridge.repoPath, 'bridge', name)}\n`);
  expect(await readFile(`${log}.protocol-1`, 'utf8')).toBe(asOfProtocol1(lines[2] ?? ''));
  expect((await cli('init', bridge.repoPath)).stdout).toContain('nothing changed');
  expect(await cli('verify', '--repo', bridge.repoPath)).toMatchObject({ exitCode: 0 });
});

test('an init that was killed once the new log was in its place keeps both old files, and says so', async () => {
  await rename(log, `${log}.protocol-1`);
  await writeFile(log, lines.join(''));

  const { stdout } = await cli('init', bridge.repoPath);

  expect(await bridge.readLog()).toBe(lines.join(''));
  expect(await readFile(`${log}.protocol-1`, 'utf8')).toBe(asOfProtocol1(lines.join('')));
  expect(stdout.match(/^The old log is kept: .*$/gm)).toEqual([
    `The old log is kept: ${log}.protocol-1`,
    expect.stringContaining(`The old log is kept: ${log}.protocol-1-`),
  ]);
});

test('until init has run, every command says so and changes nothing, and the hooks take in what is pushed', async () => {
  const told = `error: the bridge ${bridge.repoPath} is of protocol 1, this llm-bridge of 2; what is in it stays\ntry: its owner brings it up to date: llm-bridge init ${bridge.repoPath}\n`;
  const before = await bridge.snapshot();
  for (const args of [['status'], ['ask', '2+2'], ['log'], ['agent', '--once'], ['key', 'list']])
    expect(await cli(...args, '--repo', bridge.repoPath)).toEqual({ exitCode: 1, stdout: '', stderr: told });
  const doctor = await cli('doctor', '--json', '--repo', bridge.repoPath);
  expect(doctor.stdout).toContain(`"check":"repository","status":"broken","text":"the bridge `);
  expect(await bridge.snapshot()).toBe(before);

  await exchange('d');
  await cli('init', bridge.repoPath);
  const log = await bridge.readLog();
  expect(log.startsWith(lines.join(''))).toBe(true);
  expect(log.split('\n')).toHaveLength(5);
});
