import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { runFaulty, stepsOf } from '../support/dying-cli.js';
import { startPlainBridge } from '../support/plain-bridge.js';

test('init of a new bridge, killed before any step, leaves nothing at its place or a whole bridge', async () => {
  const bridge = await startPlainBridge();
  const target = join(bridge.dir, 'new.git');
  const steps = await stepsOf(['init', target], { env: bridge.env });
  await rm(target, { recursive: true });
  for (let at = 1; at <= steps.length; at += 1) {
    const hit = await runFaulty(['init', target], { env: bridge.env }, at, 'dies');
    const there = await readdir(target).catch(() => null);
    if (there !== null) {
      expect(there, hit.step ?? '').toEqual(expect.arrayContaining(['config', 'hooks', 'bridge', 'HEAD']));
    }
    const again = await runCli(['init', target], { env: bridge.env });
    expect(again.exitCode, `after ${hit.step}: ${again.stderr}`).toBe(0);
    const left = (await readdir(bridge.dir)).filter((name) => name.includes('init-'));
    expect(left, hit.step ?? '').toEqual([]);
    await rm(target, { recursive: true });
  }
}, 240_000);
