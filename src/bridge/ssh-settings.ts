import path from 'node:path';
import { gitFailed, spawnGit } from '../git/run-git.js';
import { shellQuote } from '../process/shell-quote.js';

/** The user's ssh options on the command line. */
export interface SshOptions {
  /** `--identity FILE`: the private key to use, and no other. */
  readonly identity?: string | undefined;
  /** `--accept-new-host-key`: trust a server that was never seen before. A changed key is still refused. */
  readonly acceptNewHostKey?: boolean | undefined;
}

/** How ssh is started, by git and by us. */
export interface SshCommand {
  /** For a shell: what GIT_SSH_COMMAND is set to. */
  readonly text: string;
  /** The same as words, where the user gave no command of their own. */
  readonly words: readonly string[] | null;
  /** Whether its name is that of OpenSSH, so that it accepts more options of that kind. */
  readonly isOpenSsh: boolean;
}

/**
 * ssh must never ask at a terminal, and must notice a dead network: 20 s to connect, then a sign of life
 * every 10 s. Three of these may be missed; ssh gives up at the fourth, after 40 s. The command is ours and
 * has no terminal, whatever the user's ssh_config does for logins of a person (`RemoteCommand tmux`, known
 * since OpenSSH 7.6).
 */
const OPTIONS = [
  ...['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=20'],
  ...['-o', 'ServerAliveInterval=10', '-o', 'ServerAliveCountMax=3'],
  ...['-o', 'RemoteCommand=none', '-o', 'RequestTTY=no'],
];

/**
 * The ssh command to use. The user's own comes first (GIT_SSH_COMMAND, core.sshCommand, GIT_SSH, as git
 * orders them), so their options win: ssh takes the first value it sees. Ours are appended where it is
 * OpenSSH.
 */
export async function sshCommandOf(env: NodeJS.ProcessEnv, options: SshOptions): Promise<SshCommand> {
  const ours = [
    ...OPTIONS,
    ...(options.identity === undefined
      ? []
      : ['-i', path.resolve(options.identity), '-o', 'IdentitiesOnly=yes']),
    ...(options.acceptNewHostKey === true ? ['-o', 'StrictHostKeyChecking=accept-new'] : []),
  ];
  const users = await usersCommand(env);
  if (users === null) {
    const words = ['ssh', ...ours];
    return { text: words.map(shellQuote).join(' '), words, isOpenSsh: true };
  }
  const command = { text: users, words: null, isOpenSsh: isOpenSsh(users) };
  return command.isOpenSsh ? withOptions(command, ours) : command;
}

/** The same command with more OpenSSH options after its own; the earlier ones win. */
export function withOptions(command: SshCommand, options: readonly string[]): SshCommand {
  return {
    ...command,
    text: [command.text, ...options.map(shellQuote)].join(' '),
    words: command.words === null ? null : [...command.words, ...options],
  };
}

async function usersCommand(env: NodeJS.ProcessEnv): Promise<string | null> {
  if (env.GIT_SSH_COMMAND) return env.GIT_SSH_COMMAND;
  const args = ['config', '--get', 'core.sshCommand'];
  const configured = await spawnGit(args, env);
  // A killed git is not "not set": that would bypass the user's own command.
  if (configured.killedBy) throw gitFailed(args, configured);
  const text = configured.stdout.toString('utf8').trim();
  if (configured.exitCode === 0 && text !== '') return text;
  return env.GIT_SSH ? shellQuote(env.GIT_SSH) : null;
}

/** Whether the program of a command is called ssh: plink and its like take other options. */
function isOpenSsh(command: string): boolean {
  return command
    .split(/\s+/)
    .some((word) => /^(?:.*[\\/])?ssh(?:\.exe)?$/i.test(word.replace(/^["']|["']$/g, '')));
}
