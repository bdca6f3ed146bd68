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

/** Where a command of a guide is run, as the word behind the language of its block says. */
export const PLACES = ['server', 'pc', 'bot'] as const;
export type Place = (typeof PLACES)[number];

/** Where what the guides say is true for the time of a test: a server "server" that is reached over SSH, a PC, a bot. */
export interface GuideWorld {
  readonly dir: string;
  /** Who owns the bridge: who `bridge` is in the guides. */
  readonly user: string;
  /** Runs a program there; `cwd` is the home folder of a user of its own, else `dir`. */
  run(place: Place, argv: readonly [string, ...string[]]): Promise<RunResult>;
  /**
   * Starts what goes on until the end of the test, or until it is stopped, and resolves once `isReady` likes what it has said on
   * standard error; at once where that is null.
   */
  start(
    place: Place,
    command: string,
    isReady: ((said: string) => boolean) | null,
  ): Promise<{ stop(): Promise<void> }>;
  /** A command of a guide as it is run here; see SUBSTITUTIONS. */
  substitute(text: string): string;
}

/** What is not run as it stands. Everything else in a block is. */
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
  // In this order: the folder may be under /tmp itself.
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
// Besides: `ssh` and `llm-bridge` are found in a folder of the test. The one is told where the host "server" is and to keep
// known hosts in $HOME, the other is the built program. The model server is the stand-in, by LLM_BRIDGE_OLLAMA_URL.

/**
 * Makes such a world until the end of the test, or of the test file in `beforeAll`. Without `users` all three places are the current
 * user, each with a home folder of its own; with them, `server` and `bot` are those users, as soon as they exist.
 */
export async function startGuideWorld(
  options: {
    readonly users?: { readonly server: string; readonly bot: string };
    /** A file as it would lie in `sshd_config.d`. */
    readonly sshdConfig?: string;
    /** Where the built program is; default this checkout. */
    readonly program?: string;
  } = {},
): Promise<GuideWorld> {
  const { users, sshdConfig = '', program = root } = options;
  const dir = await tempDir();
  // ssh-keygen looks for ~/.ssh in the password file, not in $HOME, so it does not make it here.
  for (const folder of ['bin', 'srv', 'tmp', 'home-server', 'home-pc/.ssh', 'home-bot/.ssh'])
    await mkdir(join(dir, folder), { recursive: true });
  await chmod(dir, 0o755);
  await chmod(join(dir, 'tmp'), 0o1777);
  // What a push starts runs at home; sshd takes that from the password file.
  const homeOfServer = users === undefined ? { HOME: join(dir, 'home-server') } : {};
  const included = join(dir, 'llm-bridge.conf');
  await writeFile(included, sshdConfig);
  const sshd = await startLocalSshd({
    dir: join(dir, 'sshd'),
    authorizedKeysFile: join(dir, 'home-server/.ssh/authorized_keys'),
    sessionEnv: { ...CLEAN_SESSION, ...homeOfServer },
    extraConfig: [
      // A user that was just made has no password; sshd lets it in by key where it asks PAM, as distributions set it up.
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

  // A file of its own, not /dev/null as elsewhere: a guide that says "git config --global" would replace that, as root for the whole machine.
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
    for (const child of background) if (child.pid !== undefined) await stopProcessTree(child.pid);
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
      return { stop: async () => (child.pid === undefined ? undefined : stopProcessTree(child.pid)) };
    },
    substitute: (text) => SUBSTITUTIONS.reduce((done, { from, to }) => done.replace(from, to(world)), text),
  };
}

async function writeProgram(file: string, line: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${line}\n`);
  await chmod(file, 0o755);
}
