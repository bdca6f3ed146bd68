import { readFile } from 'node:fs/promises';
import { runProgram } from '../process/run-program.js';
import { configPath, tokenPath } from './ssh-client.js';

/** What the configuration of a local sshd depends on. */
export interface SshdConfigInit {
  readonly sshdFile: string;
  readonly port: number;
  readonly user: string;
  readonly hostKeyFile: string;
  readonly authorizedKeysFile: string;
  readonly logLevel: string;
  readonly extraConfig: readonly string[];
  readonly sessionEnv: Readonly<Record<string, string>>;
}

/** The text of an sshd_config for one user, one key file and the loopback address. */
export async function sshdConfig(init: SshdConfigInit): Promise<string> {
  const asRoot = process.getuid?.() === 0;
  const lines = [
    // The first value of a keyword wins, so the caller's lines come first.
    ...init.extraConfig,
    `Port ${init.port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${configPath(init.hostKeyFile)}`,
    'PidFile none',
    `LogLevel ${init.logLevel}`,
    `AuthorizedKeysFile ${tokenPath(init.authorizedKeysFile)}`,
    'AuthenticationMethods publickey',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    // Without PAM, sshd refuses an account whose password is locked. Else we do not need it.
    `UsePAM ${asRoot && (await isLocked(init.user)) ? 'yes' : 'no'}`,
    // The folder is under /tmp, which others may write to.
    'StrictModes no',
    // A key with a forced command may log in; a password never may.
    'PermitRootLogin prohibit-password',
    // An sshd of root would accept the same keys for every user.
    ...(asRoot ? [`AllowUsers ${init.user}`] : []),
    'AcceptEnv GIT_PROTOCOL',
    `SetEnv ${sessionVariables(init.sessionEnv)}`,
    // Without these: they protect what is recorded today from the computers of tomorrow, and this is
    // loopback. On a small machine the key of such an exchange takes a tenth of a second to make, at every
    // connection.
    'KexAlgorithms -sntrup761x25519-*,mlkem768x25519-*',
    'UseDNS no',
    'PrintMotd no',
    'PrintLastLog no',
    // Tests and agents connect many at a time; by default sshd begins to drop connections at ten.
    'MaxStartups 1000',
    // OpenSSH 9.8 blocks an address for a while after refused keys, and here all clients have the same
    // address.
    ...((await knowsPenalties(init.sshdFile)) ? ['PerSourcePenalties no'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * All in one line, because only the first SetEnv counts. bash reads ~/.bashrc for the commands of an sshd,
 * unless SHLVL makes it believe that it runs inside another shell. A user's ~/.bashrc may take time at every
 * session (a version manager that takes a lock, for example), and we do not need it.
 */
function sessionVariables(env: Readonly<Record<string, string>>): string {
  return Object.entries({ SHLVL: '1', ...env })
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/**
 * Whether the account's password is locked (`!`), as it is for root on most cloud images. Only root can read
 * that.
 */
async function isLocked(user: string): Promise<boolean> {
  const shadow = await readFile('/etc/shadow', 'utf8').catch(() => '');
  return shadow.split('\n').some((line) => line.startsWith(`${user}:!`));
}

/** Whether this sshd is 9.8 or newer; an older one stops at the unknown keyword. */
async function knowsPenalties(sshdFile: string): Promise<boolean> {
  // An sshd before 9.2 does not know -V, fails, and prints its version all the same.
  const said = await runProgram([sshdFile, '-V'], { env: process.env }).then(
    ({ stderr }) => stderr,
    () => '',
  );
  const [, major = '0', minor = '0'] = /OpenSSH_([0-9]+)\.([0-9]+)/.exec(said) ?? [];
  return Number(major) > 9 || (Number(major) === 9 && Number(minor) >= 8);
}
