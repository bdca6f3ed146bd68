import { runProgram } from '../process/run-program.js';
import { oneLine } from '../protocol/printable.js';
import { type SshConnection, sshWords } from './run-ssh.js';

/** ssh only reads its configuration here, but a `Match exec` in it may run anything. */
const TIMEOUT_MS = 10_000;

/**
 * What `ssh -G` says of a destination: keywords in lower case, each with its last value. A keyword without a
 * value is left out. Null where ssh cannot say: it is not OpenSSH, or older than 6.8, or its configuration
 * is wrong.
 */
export async function readSshConfig(
  connection: Pick<SshConnection, 'address' | 'ssh' | 'env'>,
): Promise<ReadonlyMap<string, string> | null> {
  // With a command, because ssh refuses to go to the background without one (ForkAfterAuthentication). It is
  // not run.
  const words = sshWords(connection, ['-G'], 'true');
  const result = await runProgram(words, { env: connection.env, timeoutMs: TIMEOUT_MS }).catch(() => null);
  if (result?.exitCode !== 0) return null;
  const fields = new Map<string, string>();
  for (const line of result.stdout.toString('utf8').split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) fields.set(line.slice(0, space).toLowerCase(), line.slice(space + 1));
  }
  return fields.has('hostname') ? fields : null;
}

/** What ssh would do for a destination: the fields of its configuration that matter here. */
export interface SshPlan {
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  /**
   * Whether another host or a program is in between, so that this machine cannot try name and port itself.
   */
  readonly isProxied: boolean;
  readonly knownHostsFile: string | null;
}

/** Asks ssh itself what it would do; null where it cannot say. */
export async function readSshPlan(connection: SshConnection): Promise<SshPlan | null> {
  const fields = await readSshConfig(connection);
  const field = (name: string) => oneLine(fields?.get(name) ?? '');
  const port = Number(fields?.get('port'));
  if (fields === null || !Number.isSafeInteger(port)) return null;
  const isSet = (name: string) => !['', 'none'].includes(field(name));
  return {
    hostname: field('hostname'),
    port,
    user: field('user'),
    isProxied: isSet('proxycommand') || isSet('proxyjump'),
    knownHostsFile: field('userknownhostsfile').split(' ')[0]?.replaceAll('"', '') || null,
  };
}
