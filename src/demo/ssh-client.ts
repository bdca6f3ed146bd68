import { shellQuote } from '../process/shell-quote.js';

/** What a client needs to reach a server. */
export interface SshEndpoint {
  readonly port: number;
  readonly knownHostsFile: string;
}

/**
 * The ssh command that reaches `server` with one key and nothing of the user's own configuration, agent or
 * known hosts; quoted for a shell, as `GIT_SSH_COMMAND` takes it. It carries the port, so
 * `user@127.0.0.1:path` works with it as well.
 */
export function sshCommandFor(server: SshEndpoint, identityFile: string): string {
  return ['ssh', ...sshOptionsFor(server, identityFile)].map(shellQuote).join(' ');
}

/** The same as a list of arguments for `spawn`. */
export function sshOptionsFor(server: SshEndpoint, identityFile: string): string[] {
  const options = [
    // Not -i, which looks for the file before it expands `%%`.
    `IdentityFile=${tokenPath(identityFile)}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `UserKnownHostsFile=${tokenPath(server.knownHostsFile)}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
  ];
  return ['-F', '/dev/null', '-p', String(server.port), ...options.flatMap((option) => ['-o', option])];
}

/** A path as a value in ssh_config and sshd_config, in quotes for its spaces. */
export function configPath(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`;
}

/** The same for a keyword that expands tokens, which start with `%`. */
export function tokenPath(path: string): string {
  return configPath(path.replaceAll('%', '%%'));
}
