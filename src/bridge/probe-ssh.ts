import { spawn } from 'node:child_process';
import { oneLine } from '../protocol/printable.js';
import type { SshConnection, SshResult } from './run-ssh.js';

/** A connection of its own: one that is open already would hide what is wrong with the way there. First, because ssh takes the first. */
const OWN_CONNECTION = ['-o', 'ControlMaster=no', '-o', 'ControlPath=none'];

/** What a probe says is short; a server that floods is cut off. */
const MAX_CHARS = 65_536;

/**
 * Runs ssh as the bridge would, with words of one's own in front of the destination (`-G`) or behind it (a command), and at most
 * `timeoutMs`; then the exit code is 255, as where ssh itself fails. Throws where no ssh can be started.
 */
export function probeSsh(
  connection: SshConnection,
  words: { readonly before?: readonly string[]; readonly command?: string },
  timeoutMs: number,
): Promise<SshResult> {
  const { destination, port } = connection.address;
  const args = [
    ...(words.before ?? []),
    ...(port === null ? [] : ['-p', port]),
    '--',
    destination,
    ...(words.command === undefined ? [] : [words.command]),
  ];
  const [program, ...own] = connection.ssh.words ?? [];
  // The user's own command is shell text, as it is for git.
  const [file, all] =
    program === undefined
      ? (['sh', ['-c', `${connection.ssh.text} "$@"`, 'ssh', ...OWN_CONNECTION, ...args]] as const)
      : ([program, [...OWN_CONNECTION, ...own, ...args]] as const);
  return new Promise((resolve, reject) => {
    const child = spawn(file, all, {
      env: connection.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      timeout: timeoutMs,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (stdout.length < MAX_CHARS) stdout += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < MAX_CHARS) stderr += chunk.toString('utf8');
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const late = code === null ? `${stderr}\nConnection timed out` : stderr;
      resolve({ exitCode: code ?? 255, stdout, stderr: late });
    });
  });
}

/** What ssh would do for a destination, as its configuration says: the fields of `ssh -G` that matter here. */
export interface SshPlan {
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  /** Whether another host or a program stands between, so that name and port are not for this machine to try. */
  readonly isProxied: boolean;
  readonly knownHostsFile: string | null;
}

/** Asks ssh itself what it would do; null where it cannot tell (plink, an ssh before 6.8). */
export async function readSshPlan(connection: SshConnection): Promise<SshPlan | null> {
  const { exitCode, stdout } = await probeSsh(connection, { before: ['-G'] }, 10_000);
  if (exitCode !== 0) return null;
  const fields = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) fields.set(line.slice(0, space).toLowerCase(), oneLine(line.slice(space + 1)));
  }
  const hostname = fields.get('hostname');
  const port = Number(fields.get('port'));
  if (hostname === undefined || !Number.isSafeInteger(port)) return null;
  const isSet = (name: string) => ![undefined, '', 'none'].includes(fields.get(name));
  return {
    hostname,
    port,
    user: fields.get('user') ?? '',
    isProxied: isSet('proxycommand') || isSet('proxyjump'),
    knownHostsFile: fields.get('userknownhostsfile')?.split(' ')[0]?.replaceAll('"', '') ?? null,
  };
}
