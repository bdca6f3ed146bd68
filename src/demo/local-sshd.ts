import { appendFileSync } from 'node:fs';
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { makeKeyPair } from '../admin/make-key-pair.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { freePort } from './free-port.js';
import { findSshd, runSshd } from './run-sshd.js';
import { sshdConfig } from './sshd-config.js';

/** How often another process may take the port between finding it free and listening on it. */
const MAX_ATTEMPTS = 10;

/** Options for a local sshd. */
export interface LocalSshdOptions {
  /**
   * All its files are in here: configuration, host key, known hosts, log. The folder is made where it is
   * missing.
   */
  readonly dir: string;
  /**
   * The keys that may log in as the current user. sshd reads the file again at every connection; it need not
   * exist yet.
   */
  readonly authorizedKeysFile: string;
  /**
   * Default: a free one. A given port is the only one that is tried: for a server that comes back on its old
   * port.
   */
  readonly port?: number;
  /** Stops the server, or gives up starting it. */
  readonly signal?: AbortSignal;
  /** Default VERBOSE, which names the key of every login. */
  readonly logLevel?: 'INFO' | 'VERBOSE' | 'DEBUG' | 'DEBUG2' | 'DEBUG3';
  /** Lines of sshd_config that win over the lines of this module. */
  readonly extraConfig?: readonly string[];
  /** Variables that every session has; the values without white space. */
  readonly sessionEnv?: Readonly<Record<string, string>>;
}

/** A running sshd. */
export interface LocalSshd {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The current user, the only one that it lets in. */
  readonly user: string;
  readonly knownHostsFile: string;
  readonly logFile: string;
  readonly pid: number;
  /**
   * Stops it together with all its sessions and their processes, and resolves when they are gone. May be
   * called twice.
   */
  stop(): Promise<void>;
}

/**
 * Starts a real OpenSSH server on 127.0.0.1, as the current user, with a host key of its own, and resolves
 * when it listens. A host key that is already in `dir` is kept, so clients recognise a server that comes
 * back. As root it makes the empty folder that sshd requires (`/run/sshd`), the only thing outside `dir`.
 * Throws BridgeError `no-sshd` where there is no such program, `sshd-failed` where it does not start, and
 * the signal's reason.
 */
export async function startLocalSshd(options: LocalSshdOptions): Promise<LocalSshd> {
  options.signal?.throwIfAborted();
  const sshdFile = await findSshd();
  if (sshdFile === null) throw noSshd();
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const hostKey = await hostKeyIn(dir);
  const user = userInfo().username;
  const files = {
    config: join(dir, 'sshd_config'),
    log: join(dir, 'sshd.log'),
    knownHosts: join(dir, 'known_hosts'),
  };
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const config = await sshdConfig({
      sshdFile,
      port,
      user,
      hostKeyFile: hostKey.file,
      authorizedKeysFile: resolve(options.authorizedKeysFile),
      logLevel: options.logLevel ?? 'VERBOSE',
      extraConfig: options.extraConfig ?? [],
      sessionEnv: options.sessionEnv ?? {},
    });
    await writeFile(files.config, config);
    await writeFile(files.knownHosts, `[127.0.0.1]:${port} ${hostKey.publicKey}\n`);
    const outcome = await runSshd(
      sshdFile,
      files.config,
      (text) => appendFileSync(files.log, text),
      options.signal,
    );
    if (outcome.status === 'listening') {
      const { pid, stop } = outcome;
      return {
        host: '127.0.0.1',
        port,
        user,
        knownHostsFile: files.knownHosts,
        logFile: files.log,
        pid,
        stop,
      };
    }
    if (attempt === MAX_ATTEMPTS) throw didNotStart(outcome.said, files.log);
    const missingFolder = /Missing privilege separation directory: (\/\S+)/.exec(outcome.said)?.[1];
    if (missingFolder !== undefined) await makePrivilegeSeparationFolder(missingFolder);
    else if (options.port !== undefined || !outcome.said.includes('Address already in use')) {
      throw didNotStart(outcome.said, files.log);
    }
  }
}

async function hostKeyIn(dir: string): Promise<{ file: string; publicKey: string }> {
  const file = join(dir, 'host_key');
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) await makeKeyPair(file, 'llm-bridge local sshd');
  return { file, publicKey: (await readFile(`${file}.pub`, 'utf8')).trim() };
}

/**
 * An sshd of root locks its unprivileged part into this folder. Debian makes it only when the service
 * starts.
 */
async function makePrivilegeSeparationFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  // A strict umask would hide it from that part.
  await chmod(path, 0o755);
}

function noSshd(): BridgeError {
  return new BridgeError('no OpenSSH server was found on this machine', {
    code: 'no-sshd',
    remedy: 'install it ("apt-get install openssh-server"; macOS has it); it need not run as a service',
  });
}

function didNotStart(said: string, logFile: string): BridgeError {
  const lastLine = said.trim().split(/\r?\n/).at(-1) ?? '';
  return new BridgeError(`sshd did not start${lastLine === '' ? '' : `: ${lastLine}`}`, {
    code: 'sshd-failed',
    remedy: `read what it says in ${logFile}`,
  });
}
