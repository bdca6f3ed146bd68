import { access, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { readRepairs } from '../../../src/git/repairs-log.js';
import { commandLineOf } from '../../bench/process-usage.js';
import { runAgentOnceHere } from '../../support/bridge-agent.js';
import { startBridgeFixture } from '../../support/bridge-fixture.js';
import { runCliHere } from '../../support/cli-here.js';
import { forcedPush } from '../../support/forced-push.js';
import { gitWithMainLocked } from '../../support/living-git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { waitUntil } from '../../support/wait-until.js';

const TASK = '0123456789012345678901234567890123456789';

/** What a git that is killed, or a power cut, leaves, and what keeps others from writing. */
const LOCKS = [
  ...['HEAD.lock', 'packed-refs.lock', 'packed-refs.new', 'refs/heads/main.lock'],
  ...[
    `refs/bridge/claims/${TASK}.lock`,
    'refs/bridge/agents/home-pc.lock',
    'refs/bridge/models/home-pc.lock',
  ],
];

async function plant(repoPath: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = join(repoPath, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, '', { flag: 'wx' });
  }
}

async function left(repoPath: string, names: readonly string[]): Promise<string[]> {
  const there = await Promise.all(
    names.map((name) =>
      access(join(repoPath, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return names.filter((_, at) => there[at]);
}

const repairs = (repoPath: string) => readRepairs(repoPath, 0).map(({ text }) => text);
const removed = (name: string) => new RegExp(`^removed ${name.replace(/\./g, '\\.')}, left by a killed git`);

describe.skipIf(process.platform !== 'linux')('locks of a killed git', () => {
  let bridge: PlainBridge;
  beforeAll(async () => {
    bridge = await startPlainBridge({ principals: { bot: 'asker' }, hooks: 'here for all' });
  });

  test('over ssh an ask and its answer go through untouched by a person, and status tells what was cleared away', async () => {
    const ssh = await startBridgeFixture({ hooks: 'here' });
    const standIn = await startStandIn();
    onCleanup(standIn.close);
    await plant(ssh.repoPath, LOCKS);
    const asked = await runCliHere(['ask', '--no-wait', '2+2', '--repo', ssh.sshUrl], {
      env: ssh.principal('bot').env,
    });
    const afterAsk = await left(ssh.repoPath, LOCKS);
    await plant(ssh.repoPath, LOCKS);
    const answered = await runAgentOnceHere(ssh, standIn, { state: 'pc' });
    const status = await runCliHere(['status', '--json', '--repo', ssh.repoPath], { env: ssh.ownerEnv });
    const text = await runCliHere(['status', '--repo', ssh.repoPath], { env: ssh.ownerEnv });

    expect(asked, asked.stderr).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^[0-9a-f]{40}\n$/),
    });
    expect(afterAsk).toEqual([]);
    expect(answered, answered.stderr).toMatchObject({ exitCode: 0 });
    expect(await ssh.answersLog()).toMatchObject([{ task_commit: asked.stdout.trim(), answer: '4' }]);
    expect(await left(ssh.repoPath, LOCKS)).toEqual([]);
    for (const name of LOCKS)
      expect(repairs(ssh.repoPath).filter((one) => removed(name).test(one))).toHaveLength(2);
    expect(JSON.parse(status.stdout)).toMatchObject({ stale_locks: [] });
    expect(JSON.parse(status.stdout).repairs).toHaveLength(2 * LOCKS.length);
    expect(text.stdout).toMatch(
      /put right at 20\S+Z: removed refs\/heads\/main\.lock, left by a killed git since 20/,
    );
  });

  test.each(LOCKS)(
    'a push through the forced command goes through at its first try, whose way %s stands in',
    async (name) => {
      await plant(bridge.repoPath, [name]);
      const task = await bridge.writer.ask(await bridge.tip(), name, { author: 'bot' });
      const pushed = await forcedPush(bridge, task, 'bot');

      expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
      expect(await bridge.tip()).toBe(task);
      expect(await left(bridge.repoPath, [name])).toEqual([]);
      expect(repairs(bridge.repoPath)).toContainEqual(expect.stringMatching(removed(name)));
    },
  );

  test('that of a git which lives is waited for, and never broken', async () => {
    const task = await bridge.writer.ask(await bridge.tip(), 'wait', { author: 'bot' });
    const git = ['--git-dir', bridge.repoPath];
    const living = await gitWithMainLocked({ args: git, env: bridge.env }, await bridge.tip());
    const lock = join(bridge.repoPath, 'refs/heads/main.lock');
    const before = await stat(lock);
    const pushing = forcedPush(bridge, task, 'bot');
    // Longer than git itself waits for a lock (core.filesRefLockTimeout), and the proof has begun.
    await waitUntil(() => repairRuns(bridge.repoPath), 'the repair runs');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const meanwhile = await stat(lock);
    await living.finish();
    const pushed = await pushing;

    expect(meanwhile.ino).toBe(before.ino);
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    expect(await bridge.tip()).toBe(task);
  });

  test('by a path on this machine the agent and ask clear them away as well', async () => {
    const standIn = await startStandIn();
    onCleanup(standIn.close);
    await plant(bridge.repoPath, LOCKS);
    const asked = await runCliHere(['ask', '--no-wait', '2+2', '--repo', bridge.repoPath], {
      env: bridge.env,
    });
    const afterAsk = await left(bridge.repoPath, LOCKS);
    await plant(bridge.repoPath, LOCKS);
    const where = ['--repo', bridge.repoPath, '--state-dir', join(bridge.dir, 'state')];
    const agent = ['agent', '--once', ...where, '--backend', 'ollama', '--ollama-url', standIn.ollamaUrl];
    const answered = await runCliHere(agent, { env: bridge.env });

    expect(asked, asked.stderr).toMatchObject({ exitCode: 0 });
    expect(afterAsk).toEqual([]);
    expect(answered, answered.stderr).toMatchObject({ exitCode: 0 });
    expect(await bridge.readLog()).toContain(asked.stdout.trim());
    expect(await left(bridge.repoPath, LOCKS)).toEqual([]);
  });

  test('ingest clears away whatever there is, and says so', async () => {
    const names = [
      ...LOCKS,
      'gc.pid.lock',
      'logs/HEAD.lock',
      'objects/info/commit-graph.lock',
      'config.lock',
    ];
    await plant(bridge.repoPath, names);
    const { exitCode, stderr } = await runCliHere(['ingest', '--repo', bridge.repoPath], { env: bridge.env });

    expect(exitCode).toBe(0);
    expect(await left(bridge.repoPath, names)).toEqual([]);
    for (const name of names) expect(stderr.split('\n')).toContainEqual(expect.stringMatching(removed(name)));
  });
});

/** Whether the program that puts a bridge right is at it. */
async function repairRuns(repoPath: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map((pid) => commandLineOf(Number(pid))));
  return commands.some(
    (text) => text.includes('repair.cjs') && text.includes(repoPath) && !text.startsWith('flock'),
  );
}
