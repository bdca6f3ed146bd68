import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { answerStubs } from '../../src/server-hook/answer-stubs.js';
import { hookWork } from './hooks-here.js';
import { onCleanup } from './on-cleanup.js';
import { runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';
import { waitUntil } from './wait-until.js';

/** How long a question is waited for, in a session that has its push and in one that waits for it. */
const LONGEST_WAIT_MS = 2_000;
const LONGEST_WAIT_AHEAD_MS = 75_000;

/**
 * Has this process answer the hooks of all pushes to a bridge over ssh, in place of the process that stands
 * by for each of them (`standby-work.ts`): its start is most of what a push costs. What `ssh-command` starts
 * in its place rings, and sleeps until this process has answered on its two pipes. For tests that are not
 * about how a hook is started, or killed.
 */
export async function serveSshHooks(repoPath: string, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = await tempDir();
  const [fifo, standIn] = [join(folder, 'ring'), join(folder, 'stand-in')];
  const made = await runProcess('mkfifo', [fifo], { env });
  if (made.exitCode !== 0) throw new Error(`mkfifo: ${made.stderr}`);
  // It rings in a process of its own, because this one's output is looked up by then.
  const lines = [
    '#!/bin/sh',
    `case $1 in */standby.cjs) (echo $$ >'${fifo}') && exec sleep 120 ;; esac`,
    `exec '${process.execPath}' "$@"`,
  ];
  await writeFile(standIn, `${lines.join('\n')}\n`);
  await chmod(standIn, 0o755);
  // For both, so that it opens at once and does not end.
  const ring = socketOf(openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
  onCleanup(() => void ring.destroy());
  ring.setEncoding('utf8').on('data', (text: string) => {
    for (const pid of text.split('\n')) if (pid !== '') answer(Number(pid), repoPath).catch(() => {});
  });
  const command = join(repoPath, 'bridge', 'ssh-command');
  const text = await readFile(command, 'utf8');
  const served = text.replace(/^ {2}node=.*$/m, `  node='${standIn}'`);
  if (served === text) throw new Error(`${command} names no node`);
  await writeFile(command, served);
}

/** Answers the questions of one push for the process `pid`, and ends it. */
async function answer(pid: number, repoPath: string): Promise<void> {
  const place = `/proc/${pid}/fd`;
  const env = await environmentOf(pid);
  // Not for both: what ends a question is that nobody can write it any more.
  const questions = socketOf(openSync(`${place}/0`, constants.O_RDONLY | constants.O_NONBLOCK));
  const answers = openSync(`${place}/1`, constants.O_WRONLY | constants.O_NONBLOCK);
  const longestMs = env.LLM_BRIDGE_AHEAD === undefined ? LONGEST_WAIT_MS : LONGEST_WAIT_AHEAD_MS;
  const giveUp = setTimeout(() => questions.destroy(), longestMs);
  const work = hookWork(repoPath, env);
  const judge: typeof work.judge = (...question) => {
    clearTimeout(giveUp);
    return work.judge(...question);
  };
  try {
    await answerStubs(questions, (line) => void writeSync(answers, `${line}\n`), { ...work, judge });
  } finally {
    clearTimeout(giveUp);
    closeSync(answers);
    questions.destroy();
    await end(pid);
  }
}

/** The variables that `ssh-command` gave it. In the middle of an exec there are none to be seen. */
async function environmentOf(pid: number): Promise<NodeJS.ProcessEnv> {
  const read = async () => {
    const entries = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
    const isWhole = entries.some((entry) => entry.startsWith('LLM_BRIDGE_SESSION='));
    return isWhole ? entries.filter((entry) => entry !== '') : null;
  };
  const entries = await waitUntil(read, 'the environment of a session', 2_000);
  return Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

/** It may have ended by itself, and its number may be another's by now. */
async function end(pid: number): Promise<void> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  if (/^(sleep|stand-in)$/.test(name.trim())) process.kill(pid, 'SIGKILL');
}

function socketOf(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: false });
}
