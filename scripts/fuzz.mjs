// Runs the fuzz tests longer than the suite does: npm run fuzz -- [--runs N] [--seconds S] [--seed X]
// Ends after so many runs of each property or so many seconds in all, whichever comes first. The seed is
// printed; the same seed gives the same inputs.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
for (const [name, value] of Object.entries(values)) {
  if (/^[0-9]{1,10}$/.test(value)) continue;
  console.error(
    `error: --${name} ${value} is not a number\ntry: npm run fuzz -- --runs 1000 --seconds 30 --seed 7`,
  );
  process.exit(2);
}
const { runs, seconds, seed } = values;
console.log(`fuzz: --runs ${runs} --seconds ${seconds} --seed ${seed}`);
const timeout = String((Number(seconds) + 60) * 1000);
const args = ['vitest', 'run', '--project', 'unit', 'test/unit/fuzz', '--testTimeout', timeout];
const env = { ...process.env, FUZZ_RUNS: runs, FUZZ_SECONDS: seconds, FUZZ_SEED: seed };
process.exit(spawnSync('npx', args, { stdio: 'inherit', env }).status ?? 1);
