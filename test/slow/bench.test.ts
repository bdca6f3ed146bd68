import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cleanEnv } from '../support/clean-env.js';
import { runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function bench(...args: string[]) {
  const script = fileURLToPath(new URL('../../scripts/bench.mjs', import.meta.url));
  const env = cleanEnv(await tempDir());
  return runProcess(process.execPath, [script, ...args], { env, cwd: ROOT });
}

test('the overhead is measured against that of another build, in rounds', async () => {
  const { exitCode, stdout, stderr } = await bench(
    ...['--row', 'overhead', '--runs', '1', '--json', '--against', ROOT],
  );
  expect(exitCode, stderr).toBe(0);
  const { figures, failures } = JSON.parse(stdout);
  expect(failures).toEqual([]);
  expect(figures).toMatchObject([
    { what: 'overhead of one task, this build', unit: 'ms', value: { count: 1 } },
    { what: `overhead of one task, ${ROOT}`, unit: 'ms', value: { count: 1 } },
    { what: expect.stringContaining('more than this build'), unit: 'ms', value: { count: 1 } },
    { what: expect.stringContaining('to that of this build'), unit: '×', value: { count: 1 } },
  ]);
  const [own, other, more, ratio] = figures.map((one: { value: { median: number } }) => one.value.median);
  expect(more).toBe(other - own);
  expect(ratio).toBe(other / own);
});
