import { expect, test } from 'vitest';
import { runBench } from '../support/run-bench.js';

test('the benchmark measures a row against its floor and prints it as JSON, whether or not the target is reached', async () => {
  const { exitCode, stdout, stderr } = await runBench('--row', 'overhead', '--runs', '1', '--json');
  expect(stderr).toContain('bench: overhead');
  expect(exitCode, stderr).toBe(0);
  const report = JSON.parse(stdout);
  expect(report.failures).toEqual([]);
  expect(report.figures).toMatchObject([
    { row: 'overhead', unit: 'ms', value: { count: 1 } },
    { row: 'overhead', unit: 'ms', target: '≤ 60 ms' },
  ]);
  // What the bridge adds can be neither nothing nor minutes, and its hooks alone start Node twice.
  expect(report.figures[0].value.median).toBeGreaterThan(40);
  expect(report.figures[0].value.median).toBeLessThan(60_000);
});

test('a row that does not exist is wrong use', async () => {
  const { exitCode, stderr } = await runBench('--row', 'everything');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^error: .*\ntry: npm run bench/);
});
