import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCli } from '../../support/cli.js';
import { faultEnv } from '../../support/dying-cli.js';
import { gitOk } from '../../support/git.js';
import { startPlainBridge } from '../../support/plain-bridge.js';

test('watch, killed before any step, misses no change and asks none twice', async () => {
  const bridge = await startPlainBridge();
  const file = join(bridge.dir, 'task.txt');
  const asked = async () => {
    const text = await gitOk(['log', '--reverse', '--format=%s', 'main'], {
      gitDir: bridge.repoPath,
      env: bridge.env,
    });
    return text.split('\n').flatMap((subject) => /^ask: (.*)$/.exec(subject)?.[1] ?? []);
  };
  const watch = (env: Record<string, string>) =>
    startCli(['watch', file, '--repo', bridge.repoPath, '--name', 'bot', '--settle', '0.02'], {
      env: { ...bridge.env, ...env },
    });
  const expected: string[] = [];
  for (let at = 1; ; at++) {
    // Each change is a new one, and there before the watcher starts, as a change that came while nobody
    // watched.
    expected.push(`change ${at}`);
    await writeFile(file, `change ${at}`);
    const hit = await watch(faultEnv(join(bridge.dir, `steps-${at}`), at, 'dies'));
    const ready = hit.waitFor('stderr', /watching/).then(
      () => 'ready',
      () => 'dead',
    );
    const died = (await ready) === 'dead';
    hit.signal('SIGTERM');
    const ended = await hit.exited;
    if (!died) {
      // It was ready, so it had nothing more to do; whether its last step was one behind that is the next
      // run's business.
      expect([0, null]).toContain(ended.exitCode);
    }
    const again = await watch({});
    await again.waitFor('stderr', /watching/);
    again.signal('SIGTERM');
    await again.exited;
    expect(await asked()).toEqual(expected);
    if (!died) break;
  }
  expect(expected.length).toBeGreaterThan(8);
}, 240_000);
