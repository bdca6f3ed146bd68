import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SshConnection } from '../../../src/bridge/run-ssh.js';
import { MAX_LISTENERS, MAX_TASKS_EACH, SshStreams } from '../../../src/bridge/ssh-streams.js';
import { writeStreamLines } from '../../../src/protocol/stream.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const taskOf = (at: number) => at.toString(16).padStart(40, '0');

/** Streams over an ssh that does this for each `bridge-listen`; the last word has the tasks. */
async function streamsOver(script: (dir: string) => readonly string[], heard: (task: string) => void) {
  const dir = await tempDir();
  const ssh = join(dir, 'ssh');
  const lines = ['#!/bin/sh', 'for last; do :; done', ...script(dir)];
  await writeFile(ssh, `${lines.join('\n')}\n`, { mode: 0o755 });
  const connection: SshConnection = {
    address: { kind: 'ssh', url: 'ssh://b@s/x', destination: 'b@s', port: null },
    ssh: { text: ssh, words: [ssh], isOpenSsh: false },
    env: process.env,
  };
  const streams = new SshStreams(connection, heard);
  onCleanup(() => streams.close());
  return streams;
}

const BEGIN = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
const LINE = writeStreamLines(BEGIN).toString().trimEnd();

test('a server that was too busy for another session is asked for it again, and who was left over is heard', async () => {
  // It has room for the session of many, and refuses the one beside it twice.
  const heard: string[] = [];
  const script = (dir: string) => [
    'case $last in "bridge-listen "*" "*) exec sleep 600 ;; esac',
    `for n in 1 2; do [ -e '${dir}'/refused-$n ] || { : >'${dir}'/refused-$n; exit 255; }; done`,
    `printf '%s\\n' '${LINE}'`,
    'exec sleep 600',
  ];
  const streams = await streamsOver(script, (task) => heard.push(task));

  for (let at = 0; at <= MAX_TASKS_EACH; at += 1) streams.follow(taskOf(at));

  await waitUntil(() => heard.length > 0, 'the one that was left over');
  expect(heard).toEqual([taskOf(MAX_TASKS_EACH)]);
});

test('two hundred tasks that wait are all listened to, and on an older bridge as many as it takes', async () => {
  for (const most of [64, 32]) {
    const heard = new Set<string>();
    // It says the beginning of each, as tail does of several files.
    const script = () => [
      'set -f',
      'set -- $last',
      'shift',
      `[ "$#" -le ${most} ] || { echo 'llm-bridge: this key opens no shell; try: ssh://b@s/x' >&2; exit 1; }`,
      `for task; do printf '\\n==> /x/%s <==\\n%s\\n' "$task" '${LINE.trim()}'; done`,
      'exec sleep 600',
    ];
    const streams = await streamsOver(script, (task) => heard.add(task));
    for (let at = 0; at < 200; at += 1) streams.follow(taskOf(at));
    await waitUntil(() => heard.size === Math.min(200, most * MAX_LISTENERS), `${most} in each`);
  }
});

test('two hundred tasks are all listened to also where a server was too busy for the first session of many', async () => {
  for (const failure of [
    'exit 255',
    "echo 'llm-bridge: there are too many streams now; try: wait' >&2; exit 1",
  ]) {
    const heard = new Set<string>();
    const script = (dir: string) => [
      'set -f',
      'set -- $last',
      'shift',
      `if [ "$#" -gt 32 ] && mkdir '${dir}'/busy 2>/dev/null; then ${failure}; fi`,
      `for task; do printf '\\n==> /x/%s <==\\n%s\\n' "$task" '${LINE.trim()}'; done`,
      'exec sleep 600',
    ];
    const streams = await streamsOver(script, (task) => heard.add(task));
    for (let at = 0; at < 200; at += 1) streams.follow(taskOf(at));
    await waitUntil(() => heard.size === 200, `all after ${failure}`);
  }
});
