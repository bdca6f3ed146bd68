import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startLocalSshd } from '../../src/demo/local-sshd.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { stopProcessTree } from '../../src/process/stop-process-tree.js';
import { CLEAN_SESSION, cleanEnv } from './clean-env.js';
import { onCleanup } from './on-cleanup.js';
import { type RunResult, runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';
import { asUser, findUser } from './unix-users.js';
import { waitUntil } from './wait-until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where a command of a guide runs: the word after the language of its block. */
export const PLACES = ['server', 'pc', 'bot'] as const;
export type Place = (typeof PLACES)[number];

/** A world in which the guides are true during a test: a server "server" reached over SSH, a PC, a bot. */
export interface GuideWorld {
  readonly dir: string;
  /** The owner of the bridge: the user `bridge` of the guides. */
  readonly user: string;
  /** Runs a program there. Default `cwd`: the home folder of a user of its own, else `dir`. */
  run(place: Place, argv: readonly [string, ...string[]]): Promise<RunResult>;
  /**
   * Starts a program that runs until the end of the test, or until it is stopped. Resolves once `isReady`
   * accepts its standard error; at once where `isReady` is null.
   */
  start(
    place: Place,
    command: string,
    isReady: ((said: string) => boolean) | null,
  ): Promise<{ stop(): Promise<void> }>;
  /** A command of a guide as it runs here; see SUBSTITUTIONS. */
  substitute(text: string): string;
}

/** The parts that are replaced before a run. Everything else in a block runs as it stands. */
export interface Substitution {
  readonly from: RegExp;
  readonly to: (world: Pick<GuideWorld, 'dir' | 'user'>) => string;
  readonly why: string;
}
export const SUBSTITUTIONS: readonly Substitution[] = [
  {
    from: /bridge@server/g,
    to: ({ user }) => `${user}@server`,
    why: 'the bridge is that of a user of the test',
  },
  // The order matters: the folder may itself be under /tmp.
  { from: /\/tmp\//g, to: ({ dir }) => join(dir, 'tmp/'), why: 'a temporary folder' },
  { from: /\/srv\/llm-bridge/g, to: ({ dir }) => join(dir, 'srv'), why: 'a temporary folder' },
  {
    from: /^ssh -i/gm,
    to: () => 'ssh -o StrictHostKeyChecking=accept-new -i',
    why: 'the person who compares the fingerprint and says yes',
  },
  {
    from: /^scp (\S+) you@server:/gm,
    to: () => 'cp $1 ',
    why: "the reader's own login on the server, which a test does not have",
  },
];
// Also, `ssh` and `llm-bridge` are found in a folder of the test. That `ssh` knows where the host "server"
// is and keeps known hosts in $HOME; that `llm-bridge` is the built program. LLM_BRIDGE_OLLAMA_URL points at
// the stand-in.

/**
 * Makes such a world until the end of the test, or of the test file in `beforeAll`. Without `users` all
 * three places are the current user, each with a home folder of its own. With `users`, `server` and `bot`
 * are those users, as soon as they exist.
 */
export async function startGuideWorld(
  options: {
    readonly users?: { readonly server: string; readonly bot: string };
    /** A file as it would lie in `sshd_config.d`. */
    readonly sshdConfig?: string;
    /** The path of the built program; default this checkout. */
    readonly program?: string;
  } = {},
): Promise<GuideWorld> {
  const { users, sshdConfig = '', program = root } = options;
  const dir = await tempDir();
  // ssh-keygen finds ~/.ssh by the password file, not by $HOME, so it does not make it here.
  for (const folder of ['bin', 'srv', 'tmp', 'home-server', 'home-pc/.ssh', 'home-bot/.ssh'])
    await mkdir(join(dir, folder), { recursive: true });
  await chmod(dir, 0o755);
  await chmod(join(dir, 'tmp'), 0o1777);
  // The programs that a push starts run in the home folder, which sshd takes from the password file.
  const homeOfServer = users === undefined ? { HOME: join(dir, 'home-server') } : {};
  const included = join(dir, 'llm-bridge.conf');
  await writeFile(included, sshdConfig);
  const sshd = await startLocalSshd({
    dir: join(dir, 'sshd'),
    authorizedKeysFile: join(dir, 'home-server/.ssh/authorized_keys'),
    sessionEnv: { ...CLEAN_SESSION, ...homeOfServer },
    extraConfig: [
      // A new user has no password. sshd accepts its key where it asks PAM, as distributions configure it.
      ...(users === undefined
        ? []
        : ['AuthorizedKeysFile .ssh/authorized_keys', `AllowUsers ${users.server}`, 'UsePAM yes']),
      `Include ${included}`,
    ],
  });
  onCleanup(sshd.stop);
  const standIn = await startStandIn();
  onCleanup(standIn.close);

  const realSsh = (await runProcess('sh', ['-c', 'command -v ssh'], { env: cleanEnv(dir) })).stdout.trim();
  const sshOptions = `-F /dev/null -o HostName=127.0.0.1 -o Port=${sshd.port} -o IdentityAgent=none`;
  await writeProgram(
    join(dir, 'bin/ssh'),
    `exec ${realSsh} ${sshOptions} -o UserKnownHostsFile="$HOME/.ssh/known_hosts" -o GlobalKnownHostsFile=/dev/null "$@"`,
  );
  await writeProgram(
    join(dir, 'bin/llm-bridge'),
    `exec '${process.execPath}' '${join(program, 'dist/cli/main.js')}' "$@"`,
  );

  // A file of its own, not /dev/null as elsewhere: `git config --global` in a guide would replace /dev/null,
  // as root for the whole machine.
  const gitConfig = join(dir, 'bin/gitconfig');
  await writeFile(gitConfig, '');
  const shared = { PATH: `${join(dir, 'bin')}:${process.env.PATH}`, GIT_CONFIG_GLOBAL: gitConfig };
  const who = async (place: Place, argv: readonly string[]) => {
    const name = place === 'pc' ? undefined : users?.[place];
    if (name === undefined) {
      const more = place === 'pc' ? { LLM_BRIDGE_OLLAMA_URL: standIn.ollamaUrl } : {};
      return { argv, cwd: dir, env: cleanEnv(join(dir, `home-${place}`), { ...shared, ...more }) };
    }
    const user = await findUser(name);
    if (user === null) throw new Error(`there is no user ${name} yet`);
    const env = cleanEnv(user.home, { ...shared, USER: name, LOGNAME: name });
    return { argv: asUser(user, argv), cwd: user.home, env };
  };

  const background: ChildProcess[] = [];
  onCleanup(async () => {
    for (const child of background) await stopProcessTree(child);
  });
  const world = { dir, user: users?.server ?? sshd.user };
  return {
    ...world,
    async run(place, words) {
      const { argv, cwd, env } = await who(place, words);
      const [file = '', ...args] = argv;
      return runProcess(file, args, { cwd, env });
    },
    async start(place, command, isReady) {
      const { argv, cwd, env } = await who(place, ['sh', '-c', `exec ${command}`]);
      const [file = '', ...args] = argv;
      const child = spawn(file, args, { env, cwd, stdio: ['ignore', 'ignore', 'pipe'] });
      background.push(child);
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      await once(child, 'spawn');
      if (isReady !== null)
        await waitUntil(() => isReady(said), `${command} says that it runs`).catch((error: unknown) => {
          throw new Error(`${command} said:\n${said}`, { cause: error });
        });
      if (child.exitCode !== null) throw new Error(`${command} ended: ${said}`);
      return { stop: () => stopProcessTree(child) };
    },
    substitute: (text) => SUBSTITUTIONS.reduce((done, { from, to }) => done.replace(from, to(world)), text),
  };
}

async function writeProgram(file: string, line: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${line}\n`);
  await chmod(file, 0o755);
}
