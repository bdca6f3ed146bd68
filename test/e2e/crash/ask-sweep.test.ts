import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { runFaulty, stepsOf } from '../../support/dying-cli.js';
import { numbered, stepsToTry } from '../../support/steps-to-try.js';

let bridge: BridgeFixture;
beforeAll(async () => {
  bridge = await startBridgeFixture();
  // As on a bridge that is in use: or the steps would differ by whether an object is the first of its
  // folder.
  for (let byte = 0; byte < 256; byte++) {
    const name = byte.toString(16).padStart(2, '0');
    await mkdir(join(bridge.repoPath, 'objects', name), { recursive: true });
  }
});

/** How many commits ask this. */
async function timesAsked(question: string): Promise<number> {
  const subjects = await bridge.gitLog();
  return subjects.filter((subject) => subject.endsWith(`: ${question}`)).length;
}

/** Kills an `ask` before its steps (see `stepsToTry`); tells how often each question stood on main then. */
async function sweepAsk(where: string, args: readonly string[], env: Record<string, string>) {
  const killed: { readonly step: string; readonly times: number }[] = [];
  const command = (question: string) => ['ask', '--no-wait', question, ...args];
  const steps = await stepsOf(command(where), { env });
  expect(await timesAsked(where)).toBe(1);
  for (const { at } of stepsToTry(numbered(steps), / update-ref | push /)) {
    const question = `${where} ${at}`;
    const hit = await runFaulty(command(question), { env }, at, 'dies');
    expect(hit.exitCode, `step ${at}: ${hit.step}, ${hit.stderr}`).toBe(137);
    killed.push({ step: hit.step ?? '', times: await timesAsked(question) });
  }
  return killed;
}

/** Nothing is asked up to the step that moves main, itself included, and once behind it. */
function expectOnceBehind(killed: readonly { step: string; times: number }[], step: RegExp): void {
  const at = killed.findIndex((one) => step.test(one.step));
  expect(at).toBeGreaterThan(0);
  expect(killed.map((one) => one.times)).toEqual(killed.map((_one, index) => (index <= at ? 0 : 1)));
}

test('ask on the server, killed before any step, has asked nothing, or has asked once', async () => {
  const killed = await sweepAsk('here', ['--repo', bridge.repoPath], bridge.ownerEnv);
  expectOnceBehind(killed, / update-ref /);
}, 240_000);

test('ask elsewhere, killed before any step, has asked nothing, or has asked once', async () => {
  const killed = await sweepAsk('far', ['--repo', bridge.sshUrl], {
    ...bridge.principal('bot').env,
    // What a killed ask leaves among the temporary files goes with the bridge.
    TMPDIR: bridge.dir,
  });
  expectOnceBehind(killed, / push /);
}, 240_000);
