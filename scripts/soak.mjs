// Runs the soak longer than the suite does: npm run soak -- [--tasks N] [--kills N] [--seconds S] [--seed X]
// Goes on until there were so many tasks and so many kills, or the time is over; then come one recovery and
// the check. The seed is printed; the same seed makes the same choices, but processes never run in step
// twice.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '2000' },
    kills: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '3600' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
for (const [name, value] of Object.entries(values)) {
  if (/^[0-9]{1,10}$/.test(value)) continue;
  console.error(
    `error: --${name} ${value} is not a number\ntry: npm run soak -- --tasks 200 --kills 50 --seconds 600 --seed 7`,
  );
  process.exit(2);
}
const { tasks, kills, seconds, seed } = values;
const args = ['vitest', 'run', 'test/slow/soak.test.ts', '--project=slow', '--disableConsoleIntercept=true'];
const env = {
  ...process.env,
  SOAK_TASKS: tasks,
  SOAK_KILLS: kills,
  SOAK_SECONDS: seconds,
  SOAK_SEED: seed,
};
process.exit(spawnSync('npx', args, { stdio: 'inherit', env }).status ?? 1);
