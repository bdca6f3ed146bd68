import { access } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { runAgentOnceHere } from '../../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { startCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { droppingEnv, MOMENTS } from '../../support/dropping-ssh.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';

let bridge: BridgeFixture;
beforeAll(async () => {
  bridge = await startBridgeFixture();
});

const isThere = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

async function isAsked(before: number): Promise<void> {
  await waitUntil(async () => (await bridge.gitLog()).length > before, 'the task on main');
}

test.each(MOMENTS)(
  'ask, whose connection breaks at any moment of its push (%s), asks once and knows it',
  async (when) => {
    const { env, done } = droppingEnv(bridge, 'bot', { service: 'git-receive-pack', when });
    const asked = await runCliHere(['ask', '--no-wait', `push ${when}`, '--repo', bridge.sshUrl], { env });
    expect(await isThere(done)).toBe(true);
    expect(asked, asked.stderr).toMatchObject({ exitCode: 0 });
    const commits = (await bridge.gitLog('%H %s')).filter((line) => line.endsWith(`: push ${when}`));
    expect(commits.map((line) => line.slice(0, 40))).toEqual([asked.stdout.trim()]);
  },
);

test('ask, whose connection breaks while it waits, gets its answer all the same', async () => {
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const { env, done } = droppingEnv(bridge, 'bot', { service: 'bridge-wait', when: 'before' });
  const before = (await bridge.gitLog()).length;
  const asking = await startCli(['ask', '6+7', '--repo', bridge.sshUrl], { env });
  await isAsked(before);
  expect(await runAgentOnceHere(bridge, standIn, { state: 'drops' })).toMatchObject({ exitCode: 0 });
  expect(await asking.exited).toMatchObject({ exitCode: 0 });
  expect(asking.stdout()).toBe('13\n');
  expect(await isThere(done)).toBe(true);
});

test('an ask that is killed while it waits stays asked, and its answer comes into the log', async () => {
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const before = (await bridge.gitLog()).length;
  const asking = await startCli(['ask', '70+7', '--repo', bridge.sshUrl], {
    env: bridge.principal('bot').env,
  });
  await isAsked(before);
  asking.signal('SIGKILL');
  await asking.exited;
  expect(await runAgentOnceHere(bridge, standIn, { state: 'drops' })).toMatchObject({ exitCode: 0 });
  expect((await bridge.answersLog()).at(-1)).toMatchObject({ answer: '77' });
});
