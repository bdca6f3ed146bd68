import { expect, test } from 'vitest';
import { ROOT, runBench } from '../support/run-bench.js';

test('the overhead is measured against that of another build, in rounds', async () => {
  const { exitCode, stdout, stderr } = await runBench(
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
