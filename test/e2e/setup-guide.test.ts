import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { cleanEnv } from '../support/clean-env.js';
import { type GuideWorld, PLACES, startGuideWorld } from '../support/guide-world.js';
import { type CodeBlock, readCodeBlocks } from '../support/read-markdown.js';
import { readableProgram } from '../support/readable-program.js';
import { runProcess } from '../support/run-process.js';
import { addUser, findUser, reserveUser, whyNoUsers } from '../support/unix-users.js';

// The set-up guides, command by command, on a machine with two more users: one owns the bridge, as
// docs/setup-server.md makes it, one is the bot. The PC is whoever runs this. Over a real sshd, with the
// very lines of sshd_config that the guide gives.

const root = fileURLToPath(new URL('../..', import.meta.url));

type Guide = 'server' | 'linux' | 'macos' | 'windows';
const guides = Object.fromEntries(
  await Promise.all(
    (['server', 'linux', 'macos', 'windows'] as const).map(async (name) => [
      name,
      readCodeBlocks(await readFile(join(root, `docs/setup-${name}.md`), 'utf8')),
    ]),
  ),
) as Record<Guide, CodeBlock[]>;

/** A block by what it begins with. */
function blockOf(guide: Guide, start: string): CodeBlock {
  const found = guides[guide].filter((block) => block.text.startsWith(start));
  if (found.length !== 1 || found[0] === undefined)
    throw new Error(`docs/setup-${guide}.md has ${found.length} blocks that begin with "${start}"`);
  return found[0];
}

/** The way a reader takes through the two guides, and what has to be seen on it. */
const WAY: readonly (readonly [guide: Guide, start: string, prints: RegExp])[] = [
  ['server', 'git --version', /^git version \S+.*\nv\d+\./],
  ['server', 'useradd', /^$/],
  ['server', 'llm-bridge init', /^Made a bridge at .*\/srv\/bridge\.git\./],
  ['linux', 'git --version', /^git version/],
  ['linux', 'ssh-keygen', /^$/],
  ['server', 'llm-bridge key add home-pc', /^restrict,command=.*\nhome-pc\tagent\tSHA256:\S+\n$/s],
  ['linux', 'ssh -i', /^\{"name":"home-pc","role":"agent",/],
  ['linux', 'llm-bridge agent', /^$/],
  ['server', 'llm-bridge ask "2+2"', /^4\n.* 1 answered.*2\+2\n {4}4\n/s],
  ['server', 'ssh-keygen -q', /^$/],
  ['server', 'llm-bridge key add bot', /^restrict,command=/],
  ['server', 'export LLM_BRIDGE_REPO', /^12\n.* 2 answered/s],
  ['linux', 'llm-bridge service install agent', /ssh:\/\/.*bridge\.git/],
  ['linux', 'llm-bridge doctor', /^ok .*host-key/m],
  ['server', 'llm-bridge doctor', /^ok +hooks:/m],
  ['server', 'llm-bridge watch', /^$/],
];

/** These go on: they are started, and stopped at the end. */
const IN_BACKGROUND: readonly { readonly command: RegExp; readonly ready: RegExp | null }[] = [
  { command: /^llm-bridge agent /, ready: null },
  { command: /^llm-bridge watch /, ready: /^watching /m },
];

/** Blocks that the way leaves out. */
const NOT_ON_THE_WAY: readonly { readonly start: string; readonly why: string }[] = [
  {
    start: 'npm ci && npm run build && npm pack',
    why: 'test/e2e/package.test.ts runs it, the same lines as in the README',
  },
  { start: 'Match User bridge', why: 'the sshd of this test has it in its configuration' },
  {
    start: 'ssh-keygen -lf /etc/ssh/',
    why: 'the sshd of this test has a host key of its own, not that of the machine',
  },
];

const why = await whyNoUsers();
const title = why === null ? '' : ` (skipped: ${why})`;

describe.skipIf(why !== null)(`the set-up guides with two UNIX users${title}`, () => {
  let world: GuideWorld;
  let users: { server: string; bot: string };

  beforeAll(async () => {
    users = { server: await reserveUser('server'), bot: await reserveUser('bot') };
    await addUser(users.bot);
    const snippet = blockOf('server', 'Match User bridge').text.replace(
      'User bridge',
      `User ${users.server}`,
    );
    world = await startGuideWorld({
      users,
      sshdConfig: `${snippet}\n`,
      program: await readableProgram(users.bot),
    });
  });
  test.for(WAY.map(([guide, start, prints]) => [`${guide}: ${start}`, guide, start, prints] as const))(
    '%s',
    async ([, guide, start, prints]) => {
      const block = blockOf(guide, start);
      const text = world.substitute(block.text);
      if (block.info === 'root') {
        const mine = text.replace(/(?<![\w/.-])bridge(?![\w.-])/g, users.server);
        const env = { ...cleanEnv(world.dir), PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
        const result = await runProcess('sh', ['-eu', '-c', mine], { env });
        expect(result.exitCode, result.stderr).toBe(0);
        expect(result.stdout).toMatch(prints);
        return;
      }
      const place = PLACES.find((one) => one === block.info);
      if (place === undefined) throw new Error(`line ${block.line}: nothing says where this is run`);
      const goesOn = IN_BACKGROUND.find(({ command }) => command.test(text));
      if (goesOn !== undefined) {
        const { ready } = goesOn;
        await world.start(place, text, ready === null ? null : (said) => ready.test(said));
        return;
      }
      const result = await world.run(place, ['sh', '-eu', '-c', text]);
      expect(result.exitCode, `${result.stderr}${result.stdout}`).toBe(0);
      expect(result.stdout).toMatch(prints);
    },
  );

  test('the files belong to the user of the bridge, and the bot cannot read them', async () => {
    const server = await findUser(users.server);
    const repo = join(world.dir, 'srv/bridge.git');
    const look = await world.run('server', [
      'sh',
      '-c',
      `stat -c '%U %a' ${repo} ${repo}/bridge/answers.log`,
    ]);
    expect(look.stdout).toBe(`${server?.name} 750\n${server?.name} 640\n`);
    const peek = await world.run('bot', ['cat', `${repo}/bridge/answers.log`]);
    expect(peek).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('denied') });
  });

  test("the bot's key opens no shell, and nobody's name but its own stands in the record", async () => {
    const key = '~/.ssh/llm-bridge-bot';
    const shell = await world.run('bot', ['sh', '-c', `ssh -i ${key} ${world.user}@server id`]);
    expect(shell.exitCode).toBe(1);
    expect(shell.stderr).toContain('this key opens no shell');
    const repo = join(world.dir, 'srv/bridge.git');
    const history = await world.run('server', ['git', '-C', repo, 'log', '--format=%an: %s']);
    expect(history.stdout).toMatch(
      /^home-pc: answer [0-9a-f]{8}: 12 .*\nbot: ask: 3 \* 4\nhome-pc: answer [0-9a-f]{8}: 4 .*\n.*: ask: 2\+2\n/,
    );
  });

  test('what the owner writes into the watched file is asked', async () => {
    const log = join(world.dir, 'srv/bridge.git/bridge/answers.log');
    await world.run('server', ['sh', '-c', "printf '%s\\n' '5 * 5' >~/task.txt"]);
    const wait = `tail -n +1 -F ${log} 2>/dev/null | grep -m 1 -o '"answer":"25"'`;
    const waited = await world.run('server', ['sh', '-c', wait]);
    expect(waited.stdout).toBe('"answer":"25"\n');
  });
});

test.skipIf(why !== null)('users that a killed test left behind are removed by the next one', async () => {
  // A process that has ended: its id is nobody's.
  const { stdout: pid } = await runProcess('sh', ['-c', 'echo $$'], { env: cleanEnv('/') });
  const left = `llmbridge-test-${pid.trim()}-left`;
  await addUser(left);
  await reserveUser('next');
  expect(await findUser(left)).toBeNull();
});

test('SECURITY.md has the lines of sshd_config that the guide has', async () => {
  const security = await readFile(join(root, 'SECURITY.md'), 'utf8');
  const lines = blockOf('server', 'Match User bridge').text.split('\n');
  expect(security).toContain(lines.map((line) => `    ${line}\n`).join(''));
});

test('every block of the server and Linux guides is on the way', () => {
  for (const guide of ['server', 'linux'] as const)
    for (const block of guides[guide]) {
      const is = (start: string) => block.text.startsWith(start);
      const known =
        WAY.some(([where, start]) => where === guide && is(start)) ||
        NOT_ON_THE_WAY.some(({ start }) => is(start));
      expect(known, `docs/setup-${guide}.md, line ${block.line}`).toBe(true);
    }
});

describe('the guides for other systems', () => {
  const linux = guides.linux.map((block) => block.text);

  test('a Mac runs the commands of Linux, word for word', () => {
    expect(guides.macos.map((block) => block.text)).toEqual(linux);
  });

  test('Windows runs the same, with its own paths and without the empty passphrase', () => {
    const asOnLinux = guides.windows.map((block) =>
      block.text
        .replace(/\$env:USERPROFILE\\\.ssh\\/g, '~/.ssh/')
        .replace('ssh-keygen -q -t ed25519 -f', "ssh-keygen -q -t ed25519 -N '' -f"),
    );
    expect(asOnLinux).toEqual(linux);
    for (const block of guides.windows) expect(block.language).toBe('powershell');
  });
});
