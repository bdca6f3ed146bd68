import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { runAgentOnceHere } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { onCleanup } from '../support/on-cleanup.js';
import { runReader, whyNoReader } from '../support/reference-reader.js';

const reason = whyNoReader();

test.skipIf(reason !== null)(
  `the second reader, in Python, sees in a bridge what the program sees${reason === null ? '' : ` (skipped: ${reason})`}`,
  { timeout: 180_000 },
  async () => {
    const bridge = await startBridgeFixture({ hooks: 'here' });
    const standIn = await startStandIn();
    onCleanup(() => standIn.close());
    const owner = async (...args: string[]) => {
      const run = await runCliHere([...args, '--repo', bridge.repoPath], {
        env: bridge.ownerEnv,
        cwd: bridge.dir,
      });
      expect(run).toMatchObject({ exitCode: 0, stderr: '' });
      return run.stdout.trim();
    };
    const read = (command: string) => runReader([command, bridge.repoPath], bridge.ownerEnv);

    const first = await owner('ask', '2+2', '--no-wait', '--metadata', 'chat=77', '--metadata', 'a=Жук 🦙');
    await owner('ask', '2+2', '--no-wait', '--dedup');
    await owner('ask', '3+3', '--no-wait');
    await runAgentOnceHere(bridge, standIn, { state: 'reader' });
    const low = await owner('ask', '4+4', '--no-wait', '--priority', '-1');
    const reply = await owner('ask', '6+6', '--no-wait', '--reply-to', first);
    const high = await owner('ask', '5+5', '--no-wait', '--priority', '1');
    await owner('cancel', low);

    const queue = await read('queue');
    expect({ ...queue, stdout: JSON.parse(queue.stdout) }).toMatchObject({
      ...{ exitCode: 0, stderr: '' },
      stdout: { pending: [high, reply, low], cancelled: [low], expired: [], answered: 3 },
    });
    const agree = await read('verify');
    expect(agree).toMatchObject({ exitCode: 0, stderr: '' });
    expect(agree.stdout).toBe('3 lines of the log, 3 answers in history: they agree\n');

    // Rotated, packed, and then its oldest file thrown away: as logrotate leaves it.
    const log = path.join(bridge.repoPath, 'bridge', 'answers.log');
    const [one = '', ...rest] = (await readFile(log, 'utf8')).split(/(?<=\n)/);
    await rename(log, `${log}.1`);
    await writeFile(`${log}.1`, rest[0] ?? '');
    await writeFile(`${log}.2.gz`, gzipSync(one));
    await writeFile(log, rest[1] ?? '');
    expect((await read('verify')).stdout).toBe('3 lines of the log, 3 answers in history: they agree\n');
    await rename(`${log}.2.gz`, path.join(bridge.dir, 'thrown-away.gz'));
    expect((await read('verify')).stdout).toBe('2 lines of the log, 3 answers in history: they agree\n');

    await writeFile(log, (rest[1] ?? '').replace('"latency_ms":', '"latency_ms":1'));
    expect(await read('verify')).toMatchObject({ exitCode: 1, stdout: '' });
    expect((await read('verify')).stderr).toContain('history and the log differ');
    await writeFile(log, rest[1] ?? '');
    await appendFile(log, rest[1] ?? '');
    expect(await read('verify')).toMatchObject({ exitCode: 1, stdout: '' });
  },
);
