/**
 * True under `npm run test:slow`: sweeps try every step, and what is done with many agents or tasks is done
 * with all of them. The suite of every day makes a shorter form of the same tests (see vitest.config.ts).
 */
export const IS_FULL_LENGTH = process.env.TEST_LENGTH === 'full';
