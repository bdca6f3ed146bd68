import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { startLocalSshd } from '../../src/demo/local-sshd.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { shellQuote } from '../../src/process/shell-quote.js';
import { CLEAN_SESSION, cleanEnv } from '../support/clean-env.js';
import { startCli } from '../support/cli.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startOnTerminal } from '../support/on-terminal.js';
import { readableProgram } from '../support/readable-program.js';
import { runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';
import { asUser, findUser, reserveUser, whyNoUsers } from '../support/unix-users.js';

// From nothing to the first answer on two machines, as a person types it: the server with a user of its own,
// who is made on the way, and a PC. Over a real sshd, on a terminal. Then all of it is taken away again.

const why = await whyNoUsers();
const title = why === null ? '' : ` (skipped: ${why})`;

/** The folder of a program that all can read. */
let program: string;
beforeAll(async () => {
  if (why === null) program = await readableProgram('nobody');
});

/** What a person typed: commands, and lines that were pasted. */
interface Typed {
  readonly commands: string[];
  readonly pasted: string[];
}

test.skipIf(why !== null)(`six commands and one paste lead to the first answer${title}`, async (context) => {
  const typed: Typed = { commands: [], pasted: [] };
  const user = await reserveUser('bridge');
  const dir = await tempDir();
  await chmod(dir, 0o755);
  const repo = join(dir, 'srv', 'bridge.git');
  // A Node that uses the libuv of its system, as Debian's own, lets no process change its user
  // (CVE-2024-22017).
  const fixed = join(dir, 'fixed-user.cjs');
  const refuse = `() => { throw Object.assign(new Error('disabled'), { code: 'ERR_INVALID_STATE' }); }`;
  await writeFile(
    fixed,
    `for (const name of ['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups']) process[name] = ${refuse};`,
  );
  const root = {
    ...cleanEnv(dir),
    PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    NODE_OPTIONS: `--require=${fixed}`,
  };
  const llmBridge = [process.execPath, join(program, 'dist/cli/main.js')].map(shellQuote).join(' ');
  const type = (command: string, env: Record<string, string>, words: string[] = []) =>
    runProcess(words[0] ?? 'sh', [...words.slice(1), ...(words.length > 0 ? ['sh'] : []), '-c', command], {
      env,
    });

  // The file is carried to both machines and installed there, which package.test.ts plays.
  typed.commands.push(
    'npm install -g ./git-llm-bridge-0.1.0.tgz',
    'npm install -g ./git-llm-bridge-0.1.0.tgz',
  );
  // On the server, as root.
  typed.commands.push(`llm-bridge init ${repo} --system`);
  const made = await type(`${llmBridge} init ${repo} --system --user ${user}`, root);
  expect(made.exitCode, made.stderr).toBe(0);
  expect(made.stdout).toContain(
    `made the user ${user}\nmade the folder ${join(dir, 'srv')}\nMade a bridge at ${repo}.`,
  );
  expect(made.stdout).toMatch(/^ {2}llm-bridge join ssh:\/\/\S+@\S+bridge\.git$/m);
  const owner = await findUser(user);
  if (owner === null) throw new Error(`there is no user ${user}`);
  expect(await stat(repo)).toMatchObject({ uid: owner.uid, gid: owner.gid });
  const again = await type(`${llmBridge} init ${repo} --system --user ${user}`, root);
  expect(again.stdout).toMatch(/is a bridge and up to date; nothing changed\.$/m);

  const sshd = await startLocalSshd({
    dir: join(dir, 'sshd'),
    authorizedKeysFile: join(dir, 'none'),
    sessionEnv: CLEAN_SESSION,
    extraConfig: ['AuthorizedKeysFile .ssh/authorized_keys', `AllowUsers ${user}`, 'UsePAM yes'],
  });
  onCleanup(sshd.stop);
  const standIn = await startStandIn();
  onCleanup(standIn.close);

  // On the PC.
  const home = join(dir, 'home-pc');
  await mkdir(home);
  const config = [
    'GlobalKnownHostsFile /dev/null',
    'IdentityAgent none',
    `UserKnownHostsFile ${home}/known_hosts`,
  ];
  await writeFile(join(home, 'ssh_config'), `${config.join('\n')}\n`);
  const pc = cleanEnv(home, {
    GIT_SSH_COMMAND: `ssh -F ${join(home, 'ssh_config')}`,
    OLLAMA_HOST: standIn.ollamaUrl,
  });
  const address = `ssh://${user}@127.0.0.1:${sshd.port}${repo}`;
  typed.commands.push(`llm-bridge join ${address}`);
  const joining = await startOnTerminal(['join', address, '--name', 'home-pc', '--profile', 'home'], pc);
  if (joining === null) return context.skip('there is no script(1) to make a terminal');
  await joining.waitFor(/\[yes\/no\]/);
  joining.type('yes');
  await joining.waitFor(/waiting until the key is let in/);

  // On the server again, as root: the one line.
  const shown = joining.shown().replaceAll('\r', '');
  const line = /^ {2}(llm-bridge key add .*)$/m.exec(shown)?.[1] ?? '';
  typed.pasted.push(line);
  const letIn = await type(line.replace(/^llm-bridge/, llmBridge), root);
  expect(letIn.exitCode, letIn.stderr).toBe(0);
  expect(await stat(join(owner.home, '.ssh', 'authorized_keys'))).toMatchObject({ uid: owner.uid });
  await joining.waitFor(/next: llm-bridge agent --repo home/);
  expect(await joining.exited).toBe(0);

  typed.commands.push('llm-bridge agent');
  const agent = await startCli(['agent'], { env: pc });
  await agent.waitFor('stderr', /connected to .* as home-pc/);

  // On the server, as the owner; root is told how.
  const asRoot = await type(`${llmBridge} ask 2+2 --repo ${repo}`, root);
  expect(asRoot.stderr).toContain(
    `try: run the same as its owner: sudo -u '#${owner.uid}' -H llm-bridge … --repo ${repo}\n`,
  );
  typed.commands.push(`sudo -u ${user} -H llm-bridge ask 2+2 --repo ${repo}`);
  const env = { ...cleanEnv(owner.home), USER: user };
  const asked = await type(`${llmBridge} ask 2+2 --repo ${repo}`, env, asUser(owner, []));
  expect(asked, asked.stderr).toMatchObject({ exitCode: 0, stdout: '4\n' });

  expect(typed.commands.length).toBeLessThanOrEqual(6);
  expect(typed.pasted).toHaveLength(1);

  // Undone by the line of the guide.
  agent.signal('SIGTERM');
  await agent.exited;
  const guide = await readFile(new URL('../../docs/setup-server.md', import.meta.url), 'utf8');
  const undo = /`(userdel [^`]+)`/.exec(guide)?.[1] ?? 'false';
  const mine = undo.replace('remove bridge', `remove ${user}`).replace('/srv/llm-bridge', join(dir, 'srv'));
  const undone = await type(mine, root);
  expect(undone.exitCode, undone.stderr).toBe(0);
  expect(await findUser(user)).toBeNull();
  for (const gone of [join(dir, 'srv'), owner.home]) await expect(stat(gone)).rejects.toThrow(/ENOENT/);
});

test.skipIf(why !== null)(`init --system that cannot end well makes nothing${title}`, async () => {
  const user = await reserveUser('none');
  const dir = await tempDir();
  await chmod(dir, 0o755);
  const [shut, full, other] = ['shut', 'full', 'other'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [shut, full, other]) await mkdir(folder);
  await chmod(shut, 0o700);
  await writeFile(join(full, 'a'), '');
  const env = { ...cleanEnv(dir), PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const own = `llm-bridge init ${join(dir, 'llm-bridge/b.git')} --system --user ${user}`;
  const rows: [path: string, said: string][] = [
    [
      join(dir, 'b.git'),
      `the user ${user} cannot write to ${dir}, and the bridge is made in there\ntry: give it a folder of its own, which this makes: ${own}`,
    ],
    [
      join(shut, 'deep', 'b.git'),
      `the user ${user} cannot enter ${shut}, and the bridge would be in there\ntry: give it a folder of its own, which this makes: llm-bridge init /srv/llm-bridge/b.git --system --user ${user}`,
    ],
    [
      other,
      `${other} is there, and not the folder of ${user}\ntry: for the user whose it is: --user "$(id -nu 0)"`,
    ],
    [join(full, 'a', 'b.git'), `${join(full, 'a', 'b.git')} is taken: part of it is a file\ntry: `],
  ];

  for (const [repo, said] of rows) {
    const args = [join(program, 'dist/cli/main.js'), 'init', repo, '--system', '--user', user];
    const result = await runProcess(process.execPath, args, { env });
    expect(result.stderr).toContain(`error: ${said}`);
    expect([result.exitCode, result.stdout, await findUser(user)]).toEqual([1, '', null]);
  }
  expect((await readdir(dir)).sort()).toEqual(['full', 'other', 'shut']);
});

test('init --system says that it takes root, and what to do', async () => {
  if (process.getuid?.() !== 0) return;
  const nobody = await findUser('nobody');
  if (nobody === null || why !== null) return;
  const words = [
    process.execPath,
    join(program, 'dist/cli/main.js'),
    'init',
    '/srv/x/bridge.git',
    '--system',
  ];
  const [file = '', ...args] = asUser(nobody, words);

  const result = await runProcess(file, args, { env: cleanEnv('/') });

  expect(result).toMatchObject({ exitCode: 1, stdout: '' });
  expect(result.stderr).toMatch(
    /^error: making a bridge for the machine takes root\ntry: sudo llm-bridge init /,
  );
});
