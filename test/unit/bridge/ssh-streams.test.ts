import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SshConnection } from '../../../src/bridge/run-ssh.js';
import { MAX_TASKS_EACH, SshStreams } from '../../../src/bridge/ssh-streams.js';
import { writeStreamLines } from '../../../src/protocol/stream.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitUntil } from '../../support/wait-until.js';

const taskOf = (at: number) => at.toString(16).padStart(40, '0');

test('a server that was too busy for another session is asked for it again, and who was left over is heard', async () => {
  const dir = await tempDir();
  const begin = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
  const line = writeStreamLines(begin).toString().trimEnd();
  // It has room for the session of many, and refuses the one beside it twice.
  const ssh = join(dir, 'ssh');
  const script = [
    '#!/bin/sh',
    'for last; do :; done',
    'case $last in "bridge-listen "*" "*) exec sleep 600 ;; esac',
    `for n in 1 2; do [ -e '${dir}'/refused-$n ] || { : >'${dir}'/refused-$n; exit 255; }; done`,
    `printf '%s\\n' '${line}'`,
    'exec sleep 600',
  ];
  await writeFile(ssh, `${script.join('\n')}\n`, { mode: 0o755 });
  const connection: SshConnection = {
    address: { kind: 'ssh', url: 'ssh://b@s/x', destination: 'b@s', port: null },
    ssh: { text: ssh, words: [ssh], isOpenSsh: false },
    env: process.env,
  };
  const heard: string[] = [];
  const streams = new SshStreams(connection, (task) => heard.push(task));
  onCleanup(() => streams.close());

  for (let at = 0; at <= MAX_TASKS_EACH; at += 1) streams.follow(taskOf(at));

  await waitUntil(() => heard.length > 0, 'the one that was left over');
  expect(heard).toEqual([taskOf(MAX_TASKS_EACH)]);
});
