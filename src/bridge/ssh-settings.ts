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
 * since OpenSSH 7.6). A local command would print into git's own protocol, and a forwarded port can be bound
 * only once. What only newer versions know is in PERSONAL.
 */
const OPTIONS = [
  ...['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=20'],
  ...['-o', 'ServerAliveInterval=10', '-o', 'ServerAliveCountMax=3'],
  ...['-o', 'RemoteCommand=none', '-o', 'RequestTTY=no'],
  ...['-o', 'PermitLocalCommand=no', '-o', 'VisualHostKey=no', '-o', 'ClearAllForwardings=yes'],
];

/**
 * Settings by which ssh would run no command, give it no input, go to the background, or keep its errors to
 * itself: what `ssh -G` says where that is so, and the option that takes it back. OpenSSH knows the first
 * three since 8.7, and an older one refuses the option; it does not print them either.
 */
const PERSONAL: readonly (readonly [field: string, values: RegExp, option: string])[] = [
  ['sessiontype', /^(?:none|subsystem)$/, 'SessionType=default'],
  ['stdinnull', /^(?:yes|true)$/, 'StdinNull=no'],
  ['forkafterauthentication', /^(?:yes|true)$/, 'ForkAfterAuthentication=no'],
  ['loglevel', /^(?:SILENT|QUIET|FATAL)$/i, 'LogLevel=ERROR'],
];

/**
 * The options that take back what the user has set for logins of a person, by what `ssh -G` says; mostly
 * none. For a master, which runs no command (`-N`): ssh refuses that together with a SessionType.
 */
export function impersonalOptions(config: ReadonlyMap<string, string>, isMaster = false): string[] {
  const set = PERSONAL.filter(([field, values]) => values.test(config.get(field) ?? ''));
  const wanted = set.filter(([field]) => !isMaster || field !== 'sessiontype');
  return wanted.flatMap(([, , option]) => ['-o', option]);
}

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
      : [...identityWords(path.resolve(options.identity)), '-o', 'IdentitiesOnly=yes']),
    ...(options.acceptNewHostKey === true ? ['-o', 'StrictHostKeyChecking=accept-new'] : []),
  ];
  const own = await ownSshCommand(env);
  return own.isOpenSsh ? withOptions(own, ours) : own;
}

/**
 * The ssh of a person, as they would start it for a login of their own: it may ask at a terminal, and uses
 * whatever keys they have. Pass their own environment: that of an open connection names our command.
 */
export async function ownSshCommand(env: NodeJS.ProcessEnv): Promise<SshCommand> {
  const users = await usersCommand(env);
  return users === null
    ? { text: 'ssh', words: ['ssh'], isOpenSsh: true }
    : { text: users, words: null, isOpenSsh: isOpenSsh(users) };
}

/** ssh puts the name of the host and the like in the place of a `%h` in a path, and `-i` takes no `%%`. */
function identityWords(file: string): string[] {
  if (!file.includes('%')) return ['-i', file];
  return ['-o', `IdentityFile="${file.replaceAll('%', '%%').replace(/[\\"]/g, '\\$&')}"`];
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
