import type { TiedProgram } from '../process/start-tied.js';
import type { BridgeConnection } from './connection.js';
import { openAhead } from './open-ahead.js';
import type { SshConnection } from './run-ssh.js';

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
    this.#opened = openAhead(connection, 'bridge-say', this.#stop.signal).then((program) => {
      // Nobody reads what it says.
      program?.child.stdout?.resume();
      program?.child.stderr?.resume();
      return program;
    });
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
}
