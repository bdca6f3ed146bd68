import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { startProgram } from '../process/start-program.js';
import { stopProcessTree } from '../process/stop-process-tree.js';
import { BridgeError } from '../protocol/bridge-error.js';

/** An sshd that listens. */
export interface RunningSshd {
  readonly status: 'listening';
  readonly pid: number;
  /**
   * Stops it and everything it started; resolves when all is gone. A second call returns the same promise.
   */
  stop(): Promise<void>;
}

/** The result of a start. `failed`: it ended by itself, with this output. */
export type SshdOutcome = RunningSshd | { readonly status: 'failed'; readonly said: string };

/**
 * Runs `sshd -D -e` with a configuration until it says that it listens, or ends. `log` gets all output of
 * sshd and its sessions. The signal stops it, before and after that moment. Throws the signal's reason, and
 * BridgeError `sshd-failed` where the program cannot be run at all.
 */
export async function runSshd(
  sshdFile: string,
  configFile: string,
  log: (text: string) => void,
  signal?: AbortSignal,
): Promise<SshdOutcome> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    // In its own process group, so that Ctrl-C reaches only this process, which then stops everything in the
    // right order.
    const command = [sshdFile, '-D', '-e', '-f', configFile] as const;
    const child = startProgram(command, { env: process.env, ownGroup: true });
    child.stdout.resume();
    let said = '';
    let stopping: Promise<void> | undefined;
    const closed = new Promise((done) => child.once('close', done));
    const stopAll = async (): Promise<void> => {
      await stopProcessTree(child);
      // The last output is logged by then, so that the caller may remove the folder of the log.
      await closed;
    };
    const stop = (): Promise<void> => {
      stopping ??= stopAll();
      return stopping;
    };
    const onAbort = (): void => {
      stop().then(() => reject(signal?.reason), reject);
    };
    const onProcessExit = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', onProcessExit);
    signal?.addEventListener('abort', onAbort, { once: true });

    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log(text);
      if (child.pid === undefined || said.includes('Server listening on')) return;
      said += text;
      if (said.includes('Server listening on')) resolve({ status: 'listening', pid: child.pid, stop });
    });
    child.once('error', (error) => {
      reject(
        new BridgeError(`${sshdFile} cannot be run: ${error.message}`, {
          code: 'sshd-failed',
          remedy: 'see that it is the OpenSSH server and that this user may run it',
          cause: error,
        }),
      );
    });
    child.once('close', () => {
      process.removeListener('exit', onProcessExit);
      signal?.removeEventListener('abort', onAbort);
      if (stopping === undefined) resolve({ status: 'failed', said });
    });
  });
}

/** The usual folders of the server program; they are not in a normal user's PATH. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/opt/homebrew/sbin'];

/**
 * The absolute path of the OpenSSH server program, from PATH and its usual folders. Null where there is
 * none, and on Windows, whose sshd runs only as a service.
 */
export async function findSshd(searchPath = process.env.PATH ?? ''): Promise<string | null> {
  if (process.platform === 'win32') return null;
  // sshd starts itself again for every connection, and refuses to be started with a relative path.
  for (const folder of [...searchPath.split(delimiter).filter(isAbsolute), ...SYSTEM_FOLDERS]) {
    const file = join(folder, 'sshd');
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return null;
}
