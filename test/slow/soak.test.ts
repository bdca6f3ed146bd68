import { expect, test } from 'vitest';
import { runSoak } from '../soak/run-soak.js';

/**
 * The short form of the soak; `npm run soak -- --tasks N --kills N --seconds S --seed X` runs a longer one,
 * and again with the seed of one that has failed.
 */
const TASKS = Number(process.env.SOAK_TASKS ?? 60);
const KILLS = Number(process.env.SOAK_KILLS ?? 15);
const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);
const SEED = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));

test.skipIf(process.platform !== 'linux')(
  'whatever is killed, each task is answered once or past its time, and each answer is logged once, in order',
  { timeout: (SECONDS + 600) * 1000 },
  async () => {
    console.log(`soak: --tasks ${TASKS} --kills ${KILLS} --seconds ${SECONDS} --seed ${SEED}`);
    const { figures, violations, keptIn } = await runSoak({
      seed: SEED,
      tasks: TASKS,
      kills: KILLS,
      seconds: SECONDS,
      say: (line) => console.log(line),
    });

    expect(violations, `seed ${SEED}, kept in ${keptIn}`).toEqual([]);
    expect(figures.agentsGaveUp).toEqual({});
    // However slow the machine is.
    expect(figures.tasks).toBeGreaterThan(4);
    expect(figures.kills).toBeGreaterThan(4);
    expect(figures.answers).toBe(figures.tasks - figures.expired);
  },
);
