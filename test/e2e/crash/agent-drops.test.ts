import { access } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { startAgentHere } from '../../support/agent-here.js';
import { chatsOf, runAgentOnceHere } from '../../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { commitOnMain } from '../../support/commit-on-main.js';
import { droppingEnv, MOMENTS, type Moment, type Service } from '../../support/dropping-ssh.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';

let bridge: BridgeFixture;
let standIn: StandIn;

beforeAll(async () => {
  bridge = await startBridgeFixture({
    principals: [{ name: 'home-pc', role: 'agent' }],
    hooks: 'here',
  });
});

beforeEach(async () => {
  standIn = await startStandIn();
  onCleanup(() => standIn.close());
});

/** What an agent makes of one task while one connection breaks. */
async function answerThrough(service: Service, when: Moment) {
  await commitOnMain(bridge, { path: 'task.txt', content: `${service} ${when}` });
  const { env, done } = droppingEnv(bridge, 'home-pc', {
    service,
    when,
    // Claims are pushed as well; what counts is the push of the answer.
    ...(service === 'git-receive-pack' ? { says: 'refs/heads/main' } : {}),
  });
  const run = await runAgentOnceHere(bridge, standIn, { state: `${service}-${when}`, env });
  const broke = await access(done).then(
    () => true,
    () => false,
  );
  return { when, broke, exitCode: run.exitCode, stderr: run.stderr };
}

// bridge-hello reads nothing, so its client never speaks; a fetch is several questions, and has nothing to
// be done in between.
test.each([
  { service: 'bridge-hello', moments: ['before', 'greeting'] },
  { service: 'git-upload-pack', moments: ['before', 'greeting', 'question', 'answer'] },
  { service: 'git-receive-pack', moments: MOMENTS },
] as const)(
  'a connection for $service that breaks at any moment is made again, and each task is answered once',
  async ({ service, moments }) => {
    for (const when of moments) {
      const run = await answerThrough(service, when);
      expect(run, run.stderr).toMatchObject({ broke: true, exitCode: 0 });
      // Before a word is said it may be the push of a claim, which is nothing to warn of.
      const isTold = service !== 'git-receive-pack' || (when !== 'before' && when !== 'greeting');
      if (isTold)
        expect(run.stderr, when).toMatch(/warn: .*(cannot be reached|connection .* broke).*; trying again/);
    }
    const tasks = (await bridge.gitLog('%s %H')).filter((line) => line.startsWith('set ')).reverse();
    const records = await bridge.answersLog();
    expect(records.map((record) => record.task_commit)).toEqual(tasks.map((line) => line.split(' ').at(-1)));
    expect(chatsOf(standIn)).toHaveLength(moments.length);
  },
  180_000,
);

// Each by itself: after a push that was not heard of, the agent asks what became of the claim.
test.each(['question', 'answer', 'unheard'] as const)(
  'a connection that breaks at any moment of a push of a claim (%s) holds up no answer, and leaves no claim',
  async (when) => {
    const task = await commitOnMain(bridge, { path: 'task.txt', content: `claim ${when}` });
    const says = 'refs/bridge/claims/';
    const { env, done } = droppingEnv(bridge, 'home-pc', { service: 'git-receive-pack', when, says });
    // The model thinks until the push of its claim has broken.
    const broken = waitUntil(
      () =>
        access(done).then(
          () => true,
          () => false,
        ),
      'the connection to break',
    );
    standIn.behave = () => ({ firstTokenAfter: broken.then(() => {}) });

    const agent = await startAgentHere(bridge, standIn, { state: `claim-${when}`, env });

    const answered = async () => (await bridge.answersLog()).filter((one) => one.task_commit === task);
    await waitUntil(async () => (await answered()).length > 0, 'the answer');
    const claims = () => gitOk(['for-each-ref', 'refs/bridge/claims'], { gitDir: bridge.repoPath });
    await waitUntil(async () => (await claims()) === '', 'no claim to be left');
    agent.signal('SIGTERM');
    expect(await agent.exited).toMatchObject({ exitCode: 0 });
    expect(await answered()).toHaveLength(1);
    expect(chatsOf(standIn)).toHaveLength(1);
  },
);
