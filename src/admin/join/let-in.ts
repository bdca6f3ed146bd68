import { setTimeout as sleep } from 'node:timers/promises';
import type { BridgeAddress } from '../../bridge/address.js';
import type { SshConnection } from '../../bridge/run-ssh.js';
import { sshWords } from '../../bridge/run-ssh.js';
import { sayHello } from '../../bridge/say-hello.js';
import { ownSshCommand } from '../../bridge/ssh-settings.js';
import { runInTerminal } from '../../process/run-in-terminal.js';
import { shellQuote } from '../../process/shell-quote.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import type { Hello } from '../../protocol/hello.js';
import type { Principal } from '../../protocol/names.js';

/**
 * How often the server is asked whether the key is let in, while a person types there. Milliseconds. Since
 * OpenSSH 9.8 each refused key adds 5 s to a penalty, which runs down by itself (PerSourcePenalties). At 15
 * s sshd turns away everybody from this address, also the person who wants to log in there to paste the
 * line.
 */
const LOOK_EVERY_MS = 6_000;

/** The exit code of ssh where it reached nobody, or was not let in. */
const SSH_FAILED = 255;

/**
 * The path of the bridge on its server. Throws BridgeError `usage` where the address does not have the whole
 * path.
 */
export function bridgePathOf(address: Extract<BridgeAddress, { kind: 'ssh' }>): string {
  const { url } = address;
  const path = /^ssh:\/\//i.test(url)
    ? decodeURIComponent(new URL(url).pathname)
    : url.replace(/^(?:[^[:]*\[[^\]]*\]|[^:]*):/, '');
  if (path.startsWith('/') && !path.startsWith('/~')) return path;
  throw new BridgeError(`${url} does not have the whole path of the bridge`, {
    code: 'usage',
    remedy:
      'give it from the root on, as "llm-bridge init" printed it: bridge@server:/srv/llm-bridge/bridge.git',
  });
}

/** The line to paste on the server: it lets a public key in, with its name and role. */
export function letInLine(repoPath: string, { name, role }: Principal, publicKey: string): string {
  const words = ['key', 'add', name, '--role', role, '--key', publicKey, '--repo', repoPath];
  return ['llm-bridge', ...words.map(shellQuote)].join(' ');
}

/** A person's own login on the server of a bridge. */
export interface OwnLogin {
  readonly via: string;
  readonly address: SshConnection['address'];
  readonly acceptNewHostKey: boolean | undefined;
  /** The person's own environment. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs that line on the server over a person's own login, at the terminal, where ssh and sudo may ask. A
 * login as the user of the bridge runs it as it is, any other by sudo as that user. Throws BridgeError
 * `via-failed`.
 */
export async function letInVia(
  { via, address, acceptNewHostKey, env }: OwnLogin,
  line: string,
): Promise<void> {
  const owner = userOf(address.destination);
  const isOwner = owner === null || userOf(via) === owner;
  // -H: the keys of the bridge's user are in its own home folder.
  const there = isOwner ? inOwnShell(line) : `sudo -u ${shellQuote(owner)} -H ${line}`;
  const ssh = await ownSshCommand(env);
  const options = [
    ...(process.stdin.isTTY ? ['-t'] : []),
    ...(acceptNewHostKey === true && ssh.isOpenSsh ? ['-o', 'StrictHostKeyChecking=accept-new'] : []),
  ];
  const words = sshWords({ address: { ...address, destination: via }, ssh }, options, there);
  const exitCode = await runInTerminal(words, { env });
  if (exitCode === 0) return;
  // ssh itself fails with 255, and has said why.
  const what =
    exitCode === SSH_FAILED ? `cannot log in as ${via}` : `the line failed there, exit code ${exitCode}`;
  throw new BridgeError(`the key is not let in by --via ${via}: ${what}`, {
    code: 'via-failed',
    remedy: `paste this on the server, as ${owner ?? 'the owner of the bridge'}: ${line}`,
  });
}

/**
 * The line as a shell of that user runs it that reads what a person's shell reads: nvm, fnm, volta and asdf
 * put their programs on the PATH there, and not for a command that ssh brings. One login does both, because
 * a second one would ask for a password again.
 */
function inOwnShell(line: string): string {
  const own = `exec "\${SHELL:-sh}" -ic ${shellQuote(line)}`;
  return `sh -c ${shellQuote(`if command -v llm-bridge >/dev/null; then ${line}; else ${own}; fi`)}`;
}

/**
 * Waits until the key is let in; null where it is let in, but not to a bridge. While the key is refused it
 * tries again, at most `tries` times. Throws any other failure, as sayHello does, but for one that passes
 * after the first try; and the reason of the signal.
 */
export async function waitUntilLetIn(
  connection: SshConnection,
  { signal, tries = Number.POSITIVE_INFINITY }: { readonly signal: AbortSignal; readonly tries?: number },
): Promise<Hello | null | 'refused'> {
  for (let tried = 1; ; tried += 1) {
    signal.throwIfAborted();
    try {
      return (await sayHello(connection, signal))?.hello ?? null;
    } catch (error) {
      const isRefused = error instanceof BridgeError && error.code === 'ssh-auth';
      const isLostNow = error instanceof BridgeError && error.retryable && tried > 1;
      if (!isRefused && !isLostNow) throw error;
    }
    if (tried >= tries) return 'refused';
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

function userOf(destination: string): string | null {
  const at = destination.lastIndexOf('@');
  return at < 0 ? null : destination.slice(0, at);
}
