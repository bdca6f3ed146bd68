import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { commitOnMain } from '../../support/commit-on-main.js';
import { type NamedStep, namedSteps, runFaultyAt, stepsOf } from '../../support/dying-cli.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { kindOf, stepsToTry } from '../../support/steps-to-try.js';
import { IS_FULL_LENGTH } from '../../support/test-length.js';

/** An answer is kept without a program. */
const KEEPING = /^rename .*\/refs\/bridge\/finished\//;

/** The server's clock is known by then, and nothing was done by it yet: the worst moment of all. */
const CONNECTED = { name: 'says that it is connected', pattern: /^says .* connected to /, skip: 0 };

/** From the hello on, where the server's clock begins to matter. */
const MET = [
  ...[/ bridge-hello/, /^says /, / fetch /, / log /, / cat-file /],
  ...[KEEPING, / push .*:refs\/heads\/main/],
];

/** In the short form each kind of step is tried with one of the two ways, by its place in the list. */
const isMetBy = (isAhead: boolean, at: number) => IS_FULL_LENGTH || (at % 2 === 0) === isAhead;

let bridge: BridgeFixture;
let standIn: StandIn;
/** All tasks so far, in the order of asking. */
const asked: string[] = [];
/** The steps of an agent whose clock is left alone, without what it writes. */
let steps: NamedStep[];

beforeAll(async () => {
  bridge = await startBridgeFixture({
    principals: [{ name: 'home-pc', role: 'agent' }],
    hooks: 'here',
  });
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
  await ask();
  steps = namedSteps(await stepsOf(agent(), { env: bridge.principal('home-pc').env })).filter(
    ({ name }) => !/^[a-z]+ \//.test(name) || KEEPING.test(name),
  );
});

async function ask(): Promise<void> {
  asked.push(await commitOnMain(bridge, { path: 'task.txt', content: `${asked.length}+1` }));
}

/** The command line of a new agent. */
const agent = () => [
  ...['agent', '--once', '--repo', bridge.sshUrl, '--ollama-url', standIn.ollamaUrl],
  ...['--backend', 'ollama', '--state-dir', join(bridge.dir, `state-${asked.length}`)],
];

test.each([
  ['a month ahead', 30 * 86_400_000],
  ['an hour back', -3_600_000],
])(
  'a clock that is set %s before any step of an agent loses no task and dates no answer',
  async (_way, setsClockByMs) => {
    const { env } = bridge.principal('home-pc');
    const isAhead = setsClockByMs > 0;
    const met = MET.filter((_step, at) => isMetBy(isAhead, at));
    const programs = stepsToTry(steps, new RegExp(MET.map(({ source }) => source).join('|'))).filter(
      ({ name }) => {
        const place = MET.findIndex((step) => step.test(name));
        return isMetBy(isAhead, place === -1 ? kindOf(name).length : place);
      },
    );
    const hits: string[] = [];
    for (const at of [CONNECTED, ...programs]) {
      await ask();
      const run = await runFaultyAt(agent(), { env }, at, { setsClockByMs });
      expect(run.exitCode, `${at.name}: ${run.stderr}`).toBe(0);
      expect(run.stderr, at.name).not.toContain('refused');
      if (run.step !== null) hits.push(run.step);
      const records = await bridge.answersLog();
      expect(
        records.map((record) => record.task_commit),
        `${at.name}: ${run.stderr}`,
      ).toEqual(asked);
      const createdAt = records.at(-1)?.created_at ?? '';
      expect(Math.abs(Date.parse(createdAt) - Date.now()), `${at.name}: ${createdAt}`).toBeLessThan(60_000);
    }
    for (const step of met) {
      expect(
        hits.some((one) => step.test(one)),
        String(step),
      ).toBe(true);
    }
  },
  240_000,
);
