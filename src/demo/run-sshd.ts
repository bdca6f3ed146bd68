import { spawn } from 'node:child_process';
import { BridgeError } from '../protocol/bridge-error.js';
import { stopProcessTree } from '../process/stop-process-tree.js';

/** An sshd that listens. */
export interface RunningSshd {
  readonly status: 'listening';
  readonly pid: number;
  /** Ends it and everything it started; resolves when all is gone. Calling it again gives the same promise. */
  stop(): Promise<void>;
}

/** What starting it came to. `failed`: it ended by itself, having said this. */
export type SshdOutcome = RunningSshd | { readonly status: 'failed'; readonly said: string };

/**
 * Runs `sshd -D -e` on a configuration until it says that it listens, or ends. `log` gets everything it and its sessions
 * ever say. The signal ends it, before and after. Throws the signal's reason, and BridgeError `sshd-failed` where the
 * program cannot be run at all.
 */
export async function runSshd(
  sshdFile: string,
  configFile: string,
  log: (text: string) => void,
  signal?: AbortSignal,
): Promise<SshdOutcome> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    // In a process group of its own, so that Ctrl-C reaches this process only, which then ends things in their order.
    const child = spawn(sshdFile, ['-D', '-e', '-f', configFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let said = '';
    let stopping: Promise<void> | undefined;
    const closed = new Promise((done) => child.once('close', done));
    const stopAll = async (): Promise<void> => {
      if (child.pid !== undefined) await stopProcessTree(child.pid);
      // The last words are logged by then: whoever waits for this may remove the folder of the log.
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
