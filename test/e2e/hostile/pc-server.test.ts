import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { chatsOf, questionsOf, runAgentOnceHere } from '../../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';

// SECURITY.md: P28

/**
 * What a hostile server can do to a PC: it owns the repository, so it can put anything on main behind its
 * own hooks. Each case is a real agent with its real key; what the model was asked tells what came through.
 */
let bridge: BridgeFixture;
let standIn: StandIn;
let states = 0;

beforeAll(async () => {
  bridge = await startBridgeFixture({ hooks: 'here' });
  standIn = await startStandIn();
  onCleanup(standIn.close);
});

beforeEach(() => {
  standIn.behave = () => ({});
  states += 1;
});

const owner = () => ({ gitDir: bridge.repoPath, env: bridge.ownerEnv });
const ownerGit = async (...args: string[]) => (await gitOk(args, owner())).trim();

/** Puts an entry of any mode and type on main, as the owner. */
async function plant(mode: string, type: string, id: string, name = 'task.txt'): Promise<string> {
  const others = (await gitOk(['ls-tree', 'main'], owner()))
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(`\t${name}`));
  const input = [...others, `${mode} ${type} ${id}\t${name}`, ''].join('\n');
  const tree = (await gitOk(['mktree', '--missing'], { ...owner(), input })).trim();
  const commit = await ownerGit('commit-tree', tree, '-p', 'main', '-m', 'ask');
  await ownerGit('update-ref', 'refs/heads/main', commit);
  return commit;
}

async function blob(content: string): Promise<string> {
  return (await gitOk(['hash-object', '-w', '--stdin'], { ...owner(), input: content })).trim();
}

/** A run of the agent from a clone of its own; what it asked its model meanwhile. */
async function agent(state = `s${states}`) {
  const asked = questionsOf(standIn).length;
  const result = await runAgentOnceHere(bridge, standIn, { state });
  return { ...result, questions: questionsOf(standIn).slice(asked) };
}

const errorOf = async (task: string) =>
  (await bridge.answersLog()).find((record) => record.task_commit === task)?.error;

describe('a task that is no plain file is answered with an error, and nothing of it reaches a model', () => {
  const cases: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
    [
      'a symlink to a file of the PC',
      async () => plant('120000', 'blob', await blob('/etc/passwd')),
      /120000/,
    ],
    ['a submodule', async () => plant('160000', 'commit', await ownerGit('rev-parse', 'main')), /160000/],
    ['an executable', async () => plant('100755', 'blob', await blob('#!/bin/sh\nid')), /100755/],
    [
      'a prompt beyond the limit',
      async () => plant('100644', 'blob', await blob('x'.repeat(9_000_000))),
      /larger than/,
    ],
    [
      'an image that is a path',
      async () => plant('100644', 'blob', await blob('{"prompt":"x","images":["/etc/passwd"]}'), 'task.json'),
      /base64/,
    ],
    [
      'a file URL for an image',
      async () =>
        plant('100644', 'blob', await blob('{"prompt":"x","images":["file:///etc/passwd"]}'), 'task.json'),
      /base64/,
    ],
    [
      'another server as the backend',
      async () => plant('100644', 'blob', await blob('{"prompt":"x","backend":"http://evil/"}'), 'task.json'),
      /backend/,
    ],
  ];
  test('each of them', async () => {
    const tasks: string[] = [];
    for (const [, make] of cases) tasks.push(await make());

    const { exitCode, questions, stderr } = await agent();

    expect({ exitCode, questions }).toEqual({ exitCode: 0, questions: [] });
    for (const [at, [what, , told]] of cases.entries()) {
      const error = await errorOf(tasks[at] ?? '');
      expect(error?.code, `${what}: ${stderr}`).toBe('invalid_task');
      expect(error?.message, what).toMatch(told);
    }
  });

  test('a folder under the name of a task is no task', async () => {
    const inner = (
      await gitOk(['mktree'], { ...owner(), input: `100644 blob ${await blob('x')}\ta\n` })
    ).trim();
    await plant('040000', 'tree', inner);

    const { exitCode, questions } = await agent();

    expect({ exitCode, questions }).toEqual({ exitCode: 0, questions: [] });
    // Away with the folder: the commit that replaces it by a file changes two names, so it is no task
    // either.
    await plant('100644', 'blob', await blob('x'));
  });
});

test('an image whose base64 is also the name of a file is sent as bytes, and the file is not read', async () => {
  const task = JSON.stringify({ prompt: 'what is this?', images: ['iVBORw0KGgo='] });
  const home = bridge.principal('home-pc').home;
  await writeFile(join(home, 'iVBORw0KGgo='), 'a secret of the PC');
  await plant('100644', 'blob', await blob(task), 'task.json');

  const args = agentArguments();
  await runCli(args, { env: bridge.principal('home-pc').env, cwd: home });

  const body = JSON.stringify(chatsOf(standIn).at(-1)?.body);
  expect(body).toContain('iVBORw0KGgo=');
  expect(body).not.toContain(Buffer.from('a secret of the PC').toString('base64'));
  expect(body).not.toContain('a secret');
});

/** The agent once, for a run in a folder of choice. */
function agentArguments(): string[] {
  const state = join(bridge.dir, `state-s${states}`);
  return [
    'agent',
    '--once',
    '--repo',
    bridge.sshUrl,
    '--state-dir',
    state,
    '--ollama-url',
    standIn.ollamaUrl,
  ];
}

test('other branches, tags and hidden refs are not fetched', async () => {
  for (const ref of [
    'refs/heads/other',
    'refs/tags/v1',
    'refs/bridge/answers/x',
    'refs/remotes/bridge/main2',
  ])
    await ownerGit('update-ref', ref, 'main');
  const task = await plant('100644', 'blob', await blob('a task beside other refs'));
  const state = `s${states}`;

  expect((await agent(state)).questions).toEqual(['a task beside other refs']);

  const gitDir = await cloneOf(state);
  const refs = await gitOk(['for-each-ref', '--format=%(refname)'], { gitDir, env: bridge.ownerEnv });
  // Its own claim as well, where the generation took long enough for one.
  const claim = `refs/remotes/bridge/claims/${task}\n`;
  expect(refs.replace(claim, '')).toBe('refs/remotes/bridge/main\n');
});

/** The clone in the state folder of an agent. */
async function cloneOf(state: string): Promise<string> {
  const folder = join(bridge.dir, `state-${state}`);
  const entries = await readdir(folder, { recursive: true });
  const head = entries.find((entry) => entry.endsWith('HEAD') && !entry.includes('logs'));
  return join(folder, head ?? '', '..');
}

test('what the server says over the sideband reaches a terminal without its escape sequences', async () => {
  const hook = join(bridge.repoPath, 'hooks/pre-receive');
  const honest = await readFile(hook, 'utf8');
  await writeFile(
    hook,
    '#!/bin/sh\nprintf "llm-bridge refused [internal]: \\033]0;evil\\007\\033[2Jgone\\302\\233; try: \\033[31mno\\n" >&2\nexit 1\n',
  );
  await chmod(hook, 0o755);
  onCleanup(() => writeFile(hook, honest));
  await plant('100644', 'blob', await blob('a task that cannot be answered'));

  const { stderr, stdout, exitCode } = await agent();

  expect(exitCode).not.toBe(0);
  expect(stderr).toContain('gone');
  expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n\t]/u);
  await writeFile(hook, honest);
});

test('an answer with escape sequences is shown without them', async () => {
  standIn.behave = () => ({ answer: '\u001b]0;evil\u0007\u001b[2Jfour\u009b31m\u202e' });
  await plant('100644', 'blob', await blob('what is 2+2, nastily?'));
  await agent();

  const shown = await runCliHere(['log', '--repo', bridge.repoPath], { env: bridge.ownerEnv });

  expect(shown.stdout).toContain('four');
  expect(shown.stdout).not.toMatch(/[^\P{Cc}\n\t]|\u202e/u);
});

describe('a main that is not what it was stops the agent with an alarm', () => {
  let tip: string;
  /** The state of an agent that has seen the tip. */
  const state = 'seen';
  beforeAll(async () => {
    tip = await ownerGit('rev-parse', 'main');
    await agent(state);
  });

  test.each<[string, () => Promise<void>]>([
    [
      'rewound',
      async () => {
        await ownerGit('update-ref', 'refs/heads/main', `${tip}~1`);
      },
    ],
    [
      'rewritten, with a task on top',
      async () => {
        const other = await ownerGit('commit-tree', `${tip}^{tree}`, '-p', `${tip}~2`, '-m', 'another past');
        await ownerGit('update-ref', 'refs/heads/main', other);
        await plant('100644', 'blob', await blob('a task on another past'));
      },
    ],
    [
      'replaced by a history without a common commit',
      async () => {
        const root = await ownerGit('commit-tree', `${tip}^{tree}`, '-m', 'a new root');
        await ownerGit('update-ref', 'refs/heads/main', root);
      },
    ],
  ])('%s', async (_what, change) => {
    onCleanup(async () => void (await ownerGit('update-ref', 'refs/heads/main', tip)));
    await change();

    const { exitCode, stderr, questions } = await agent(state);

    expect({ exitCode, questions }).toEqual({ exitCode: 1, questions: [] });
    expect(stderr).toMatch(/history-rewritten|rewound or rewritten/);
    expect(stderr).toMatch(/try:/);
  });
});

test('a server with another host key is refused, and an unknown one as well', async () => {
  const who = bridge.principal('home-pc');
  const empty = join(bridge.dir, 'no-known-hosts');
  await writeFile(empty, '');
  const command = (who.env.GIT_SSH_COMMAND ?? '').replace(
    /UserKnownHostsFile=[^ ']+/,
    `UserKnownHostsFile=${empty}`,
  );
  expect(command).toContain(empty);
  const result = await runAgentOnceHere(bridge, standIn, {
    state: `s${states}`,
    env: { GIT_SSH_COMMAND: command },
  });

  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(/host key/);
  expect(await readFile(empty, 'utf8')).toBe('');
});
