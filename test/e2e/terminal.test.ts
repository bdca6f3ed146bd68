import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { shellQuote } from '../../src/process/shell-quote.js';
import { startAgentHere } from '../support/agent-here.js';
import { runAgentOnce, startAgent } from '../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../support/bridge-fixture.js';
import { runCli } from '../support/cli.js';
import { runCliHere } from '../support/cli-here.js';
import { onCleanup } from '../support/on-cleanup.js';
import { runProcess } from '../support/run-process.js';

/** What a model may say to redraw a terminal, set its title, clear it, or turn the text around. */
const EVIL = 'a\u001b[31mred\u001b[0m\u001b]0;title\u0007\u001b[2J\u009b1mb\u202ec\r\nd';
const EVIL_SEQUENCES = ['\u001b[31m', '\u001b]0;', '\u001b[2J', '\u009b', '\u0007', '\u202e'];

let bridge: BridgeFixture;
let standIn: StandIn;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn({ behave: () => ({ answer: EVIL }) });
  onCleanup(() => standIn.close());
});

/**
 * Runs the built program on a terminal of its own (util-linux `script`): all that it shows there. Null where
 * there is none.
 */
async function onTerminal(args: readonly string[], env: Record<string, string>): Promise<string | null> {
  const program = new URL('../../dist/cli/main.js', import.meta.url).pathname;
  const command = [process.execPath, program, ...args].map(shellQuote).join(' ');
  const options = { env: { ...env, TERM: 'xterm' } };
  const probe = await runProcess('sh', ['-c', "script -qec 'test -t 1' /dev/null"], options);
  if (probe.exitCode !== 0) return null;
  return (await runProcess('script', ['-qec', command, '/dev/null'], options)).stdout;
}

function expectHarmless(shown: string): void {
  expect(EVIL_SEQUENCES.filter((sequence) => shown.includes(sequence))).toEqual([]);
}

test('an answer cannot steer the terminal of whoever asks, reads the log or the status', async ({ skip }) => {
  const agent = await startAgent(bridge, standIn, { state: 'evil' });
  const asked = await onTerminal(['ask', '2+2', '--repo', bridge.repoPath], bridge.ownerEnv);
  if (asked === null) return skip('there is no script(1) that can make a terminal');
  expect(asked).toContain('red');
  expectHarmless(asked);
  for (const command of ['log', 'status']) {
    const shown = await onTerminal([command, '--repo', bridge.repoPath], bridge.ownerEnv);
    expect(shown).toContain('red');
    expectHarmless(shown ?? '');
  }
  expectHarmless(agent.stderr());
  agent.signal('SIGTERM');
  expect((await agent.exited).exitCode).toBe(0);
});

test('in a pipe the answer is what the model said, byte for byte', async () => {
  const agent = await startAgentHere(bridge, standIn, { state: 'evil' });
  const asked = await runCli(['ask', '2+3', '--repo', bridge.repoPath], { env: bridge.ownerEnv });
  expect(asked).toEqual({ exitCode: 0, stdout: `${EVIL}\n`, stderr: '' });
  agent.signal('SIGTERM');
  await agent.exited;
});

test('what a model server says of an error cannot steer the terminal of the agent or of the asker', async () => {
  standIn.behave = () => ({ refuse: { kind: 'http', status: 500, body: JSON.stringify({ error: EVIL }) } });
  const { stdout } = await runCliHere(['ask', '2+4', '--no-wait', '--repo', bridge.repoPath], {
    env: bridge.ownerEnv,
  });
  expect(stdout).toMatch(/^[0-9a-f]{40}\n$/);

  const agent = await runAgentOnce(bridge, standIn, { state: 'evil' });

  expect(agent.stderr).toContain('backend_error');
  expectHarmless(agent.stderr);
  const [record] = (await bridge.answersLog()).slice(-1);
  expect(record?.error?.code).toBe('backend_error');
  expectHarmless(record?.error?.message ?? '');
});
