import { startTied, type TiedProgram } from '../process/start-tied.js';
import type { BridgeConnection } from './connection.js';
import { onlyShared, type SshConnection, sshWords } from './run-ssh.js';

/**
 * A session of `bridge-say` that is opened before its task is known, because opening one takes longer than a
 * loaded model needs for its first word. Nothing depends on it, and none of its methods throws.
 */
export interface SayAhead {
  /**
   * Makes it the stream of this task, once; its standard input is the stream from then on. Null where there
   * is no such session any more: the server took no further one, or the connection broke.
   */
  take(task: string): Promise<TiedProgram | null>;
  /** Ends it where nobody took it. */
  close(): Promise<void>;
}

/**
 * Opens one on the shared connection; null where there is none. Use it where the terms of the bridge have
 * `hasSayAhead`.
 */
export function openSayAhead({ ssh }: BridgeConnection): SayAhead | null {
  return ssh?.shared === undefined ? null : new Session(ssh);
}

class Session implements SayAhead {
  readonly #opened: Promise<TiedProgram | null>;
  readonly #stop = new AbortController();
  #isTaken = false;

  constructor(connection: SshConnection) {
    this.#opened = this.#open(connection).catch(() => null);
  }

  async take(task: string): Promise<TiedProgram | null> {
    this.#isTaken = true;
    const program = await this.#opened;
    const { stdin, exitCode, signalCode } = program?.child ?? {};
    if (program === null || !stdin?.writable || exitCode !== null || signalCode !== null) return null;
    stdin.write(`${task}\n`);
    return program;
  }

  async close(): Promise<void> {
    if (this.#isTaken) return;
    this.#stop.abort();
    await (await this.#opened)?.end();
  }

  async #open(connection: SshConnection): Promise<TiedProgram | null> {
    await connection.shared?.ready(this.#stop.signal);
    if (this.#stop.signal.aborted) return null;
    const words = sshWords(connection, onlyShared(connection), 'bridge-say');
    const program = startTied(words, { env: connection.env, stdin: 'pipe' });
    const { child } = program;
    child.on('error', () => {});
    child.stdin?.on('error', () => {});
    child.stdout?.resume();
    child.stderr?.resume();
    return program;
  }
}
