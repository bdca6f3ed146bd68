import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCli } from '../../support/cli.js';
import { faultEnv } from '../../support/dying-cli.js';
import { gitOk } from '../../support/git.js';
import { startPlainBridge } from '../../support/plain-bridge.js';
import { numbered, stepsToTry } from '../../support/steps-to-try.js';

test('watch, killed before any step, misses no change and asks none twice', async () => {
  const bridge = await startPlainBridge();
  // As on a bridge that is in use: or the steps would differ by whether an object is the first of its
  // folder.
  for (let byte = 0; byte < 256; byte++) {
    const name = byte.toString(16).padStart(2, '0');
    await mkdir(join(bridge.repoPath, 'objects', name), { recursive: true });
  }
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
  const stepsFile = () => join(bridge.dir, `steps-${expected.length}`);
  /** Kills a watcher before this step (0: none), and runs another; true where the first was there at all. */
  const survives = async (at: number): Promise<boolean> => {
    // Each change is a new one, and there before the watcher starts, as a change that came while nobody
    // watched.
    const change = `change ${expected.length + 1}`;
    expected.push(change);
    await writeFile(file, change);
    const hit = await watch(faultEnv(stepsFile(), at, 'dies'));
    const survived = await hit.waitFor('stderr', /watching/).then(
      () => true,
      () => false,
    );
    hit.signal('SIGTERM');
    const ended = await hit.exited;
    // It was ready, so it had nothing more to do; whether its last step was one behind that is the next
    // run's business.
    if (survived) expect([0, null]).toContain(ended.exitCode);
    const again = await watch({});
    await again.waitFor('stderr', /watching/);
    again.signal('SIGTERM');
    await again.exited;
    expect(await asked()).toEqual(expected);
    return survived;
  };
  // The first one of all makes what is kept; the steps are those of every later one.
  expect(await survives(0)).toBe(true);
  expect(await survives(0)).toBe(true);
  const steps = numbered((await readFile(stepsFile(), 'utf8')).trim().split('\n'));
  expect(steps.length).toBeGreaterThan(8);
  let killed = 0;
  for (const { at } of stepsToTry(steps)) if (!(await survives(at))) killed += 1;
  expect(killed).toBeGreaterThan(4);
}, 240_000);
