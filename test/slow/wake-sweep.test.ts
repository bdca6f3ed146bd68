import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { BridgeStatus } from '../../src/admin/bridge-status.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { runAgentOnceHere, startAgent } from '../support/bridge-agent.js';
import { startBridgeFixture } from '../support/bridge-fixture.js';
import { runCliHere } from '../support/cli-here.js';
import { commitOnMain } from '../support/commit-on-main.js';
import { type NamedStep, namedSteps, startDying } from '../support/dying-cli.js';
import { git } from '../support/git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { stepsToTry } from '../support/steps-to-try.js';
import { waitUntil } from '../support/wait-until.js';

test('a waker killed before any step of waking wakes the PC when it is started again, and doubles nothing', async () => {
  const agents = ['home-pc', 'pi'].map((name) => ({ name, role: 'agent' }) as const);
  const bridge = await startBridgeFixture({ principals: agents });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  let packets = 0;
  const receiver = createSocket('udp4').on('message', () => {
    packets += 1;
  });
  onCleanup(() => void receiver.close());
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address();

  const status = async () =>
    JSON.parse(
      (await runCliHere(['status', '--json', '--repo', bridge.repoPath], { env: bridge.ownerEnv })).stdout,
    ) as BridgeStatus;
  const pc = { state: 'pc', args: ['--backend', 'ollama'] };
  // It sleeps from now on, and says so.
  const awake = await startAgent(bridge, standIn, pc);
  const isThere = async () => (await status()).agents.some(({ state }) => state === 'running');
  await waitUntil(isThere, 'the presence of the PC');
  awake.signal('SIGTERM');
  await awake.exited;

  const asked: string[] = [];
  const answered = async () => (await bridge.answersLog()).map(({ task_commit }) => task_commit);
  /** What the waker has said for `status`, and of which task. */
  const said = async () => {
    const { stdout } = await git(['cat-file', 'blob', 'refs/bridge/agents/pi'], {
      gitDir: bridge.repoPath,
      env: bridge.ownerEnv,
    });
    return stdout;
  };
  const hasSaid = async (phase: string, task: string) => {
    const text = await said();
    return text.includes(`"${phase}"`) && text.includes(task);
  };

  /** A life of the waker: until it dies at the step, or was stopped when its task was answered. */
  async function live(task: string, at: NamedStep | null) {
    const before = packets;
    const to = ['--mac', 'a8:5e:45:01:02:03', '--broadcast', '127.0.0.1', '--port', String(port)];
    const args = ['wake', ...to, '--repo', bridge.sshUrl];
    const pi = await startDying(args, { env: bridge.principal('pi').env }, at);
    await waitUntil(() => pi.isOver() || packets > before, `the packet\n${pi.stderr()}`);
    if (packets > before && !(await answered()).includes(task)) {
      const { exitCode, stderr } = await runAgentOnceHere(bridge, standIn, pc);
      expect(exitCode, stderr).toBe(0);
    }
    await waitUntil(async () => pi.isOver() || (await hasSaid('watching', task)), 'the end of waking');
    pi.signal('SIGTERM');
    const { signal } = await pi.exited;
    return { isKilled: signal === 'SIGKILL', sent: packets - before, pi };
  }

  const ask = async () => {
    const task = await commitOnMain(bridge, { path: 'task.txt', content: `${asked.length}+1` });
    asked.push(task);
    return task;
  };
  const steps = namedSteps(await (await live(await ask(), null)).pi.steps());
  let [killed, wokenAgain] = [0, 0];
  for (const at of stepsToTry(steps)) {
    const task = await ask();
    const first = await live(task, at);
    expect(first.sent, at.name).toBeLessThanOrEqual(1);
    if (first.isKilled) killed += 1;
    if (!(await answered()).includes(task)) {
      expect(first.isKilled, at.name).toBe(true);
      const again = await live(task, null);
      expect(again.isKilled, at.name).toBe(false);
      expect(again.sent, at.name).toBe(1);
      wokenAgain += 1;
    }
    expect(await answered(), at.name).toEqual(asked);
    expect((await status()).waking, at.name).toEqual([]);
  }
  console.log(`waker: killed at ${killed} of ${steps.length} steps, woken again after ${wokenAgain}`);
  // A run may lack a step that another one has, but not many.
  expect(killed).toBeGreaterThan(steps.length * 0.8);
  expect(wokenAgain).toBeGreaterThan(0);
}, 1_800_000);
