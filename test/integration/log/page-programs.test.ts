import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { readCodeBlocks } from '../../support/read-markdown.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

// The programs that people copy from the pages, met by what a log and a chat do on a bad day.
// test/e2e/readme runs them beside a bridge, on a good one.

async function blockOf(page: string, has: string): Promise<string> {
  const file = fileURLToPath(new URL(`../../../docs/${page}`, import.meta.url));
  const block = readCodeBlocks(await readFile(file, 'utf8')).find(({ text }) => text.includes(has));
  if (block === undefined) throw new Error(`${page} has no block with ${has}`);
  return block.text;
}

async function hasAll(...programs: readonly string[]): Promise<boolean> {
  const script = programs.map((program) => `command -v ${program}`).join(' && ');
  return (await runProcess('sh', ['-c', script], { env: process.env })).exitCode === 0;
}

const record = (task_hash: string, answer: string) =>
  Buffer.from(`${JSON.stringify({ task_hash, answer, error: null })}\n`);

test('the bot of the page finds its answer in a log that is renamed, and written in halves of a letter, and asks the same twice', async (context) => {
  if (!(await hasAll('python3'))) context.skip('there is no python3 in the PATH');
  const dir = await tempDir();
  const [task, log] = [join(dir, 'task.txt'), join(dir, 'answers.log')];
  await writeFile(log, record('0'.repeat(64), 'of long ago'));
  const bot = (await blockOf('bots.md', 'hashlib.sha256'))
    .replace(/^TASK = .*$/m, `TASK = ${JSON.stringify(task)}`)
    .replace(/^LOG = .*$/m, `LOG = ${JSON.stringify(log)}`)
    .replace(/^WATCHED = .*$/m, `WATCHED = ${JSON.stringify(join(dir, 'watched.log'))}`)
    .replace(/^print\(ask\((.*)\)\)$/m, 'for _ in range(2): print("answer:", ask($1))');
  // Each time it would sleep, it waits for the next step instead. What comes late is written into the old
  // log just before it looks whether that was renamed.
  const late = join(dir, 'late');
  const steps = `import os, sys, time
time.sleep = lambda _: (print("look", flush=True), sys.stdin.readline())
stat = os.stat
def late(path, **more):
    try:
        with open(${JSON.stringify(late)}, "rb") as file, open(${JSON.stringify(`${log}.1`)}, "ab") as old:
            old.write(file.read())
        os.remove(${JSON.stringify(late)})
    except FileNotFoundError:
        pass
    return stat(path, **more)
os.stat = late
`;
  const env = { ...cleanEnv(dir), PYTHONIOENCODING: 'utf-8' };
  const python = spawn('python3', ['-c', steps + bot], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  onCleanup(() => void python.kill('SIGKILL'));
  const hashes = new Set<string>();
  const hashOfTask = async () => {
    const hash = createHash('sha256')
      .update(await readFile(task))
      .digest('hex');
    hashes.add(hash);
    return hash;
  };
  const others = record('1'.repeat(64), 'жжж');
  const half = others.indexOf('ж') + 1;
  const days: readonly (() => Promise<unknown>)[] = [
    () => appendFile(log, others.subarray(0, half)),
    async () => {
      await rename(log, `${log}.1`);
      await appendFile(`${log}.1`, others.subarray(half));
      await writeFile(log, record('2'.repeat(64), 'of another'));
      await writeFile(late, record(await hashOfTask(), 'сорок два'));
    },
    async () => {},
    async () => appendFile(log, record(await hashOfTask(), '42')),
  ];
  const said: string[] = [];
  let at = 0;
  for await (const line of createInterface({ input: python.stdout })) {
    if (line !== 'look') {
      said.push(line);
      continue;
    }
    // Where it looks once more than there is something to see, it has missed its answer.
    expect(at, said.join()).toBeLessThan(days.length);
    await days[at]?.();
    at += 1;
    python.stdin.write('\n');
  }
  if (python.exitCode === null) await once(python, 'close');
  expect(said).toEqual(['answer: сорок два', 'answer: 42']);
  // The same text is no change of the file, so watch would not ask it.
  expect(hashes.size).toBe(2);
  expect(python.exitCode).toBe(0);
});

test('the hook for Telegram sends no more than it takes: 3000 emoji are cut between two of them', async (context) => {
  if (!(await hasAll('jq', 'install'))) context.skip('there is no jq in the PATH');
  const dir = await tempDir();
  const bin = join(dir, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'curl'), '#!/bin/sh\ncat > "$HOME/sent"\n', { mode: 0o755 });
  const env = { ...cleanEnv(dir), HOME: dir, PATH: `${bin}:${process.env.PATH}` };
  const block = (await blockOf('on-answer.md', 'api.telegram.org')).replaceAll(
    /\/srv\/llm-bridge\S+\/telegram/g,
    join(dir, 'telegram'),
  );
  expect(await runProcess('sh', ['-c', block], { env })).toMatchObject({ exitCode: 0, stderr: '' });
  const sentFor = async (record: object) => {
    const input = `${JSON.stringify(record)}\n`;
    const ended = await runProcess(join(dir, 'telegram'), [], { env, input });
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    return await readFile(join(dir, 'sent'), 'utf8');
  };
  expect(await sentFor({ answer: '😀'.repeat(3000), error: null })).toBe('😀'.repeat(2048));
  expect(await sentFor({ answer: `a${'😀'.repeat(3000)}`, error: null })).toBe(`a${'😀'.repeat(2047)}`);
  expect(await sentFor({ answer: 'ж'.repeat(5000), error: null })).toBe('ж'.repeat(4096));
  expect(await sentFor({ answer: null, error: { message: 'нет' } })).toBe('нет');
});
