import { open } from 'node:fs/promises';
import path from 'node:path';
import { startTied, type TiedProgram } from '../process/start-tied.js';
import { OWN_CONNECTION, type SshConnection, sshWords } from './run-ssh.js';
import { watchPath } from './watch-path.js';

/** The receiver of a doorbell's rings. A ring carries the id of `main`, where the doorbell knows it. */
export interface Ring {
  ring(tip?: string): void;
}

/** No line of a reflog is longer than this. */
const MAX_LINE_CHARS = 16_384;

/**
 * A running doorbell: it rings a notifier whenever `main` may have moved. A ring is a hint; only git says
 * what is true.
 */
export interface Doorbell {
  /** Whether it would ring now. While false (no connection, no such service), the caller has to poll. */
  connected(): boolean;
  close(): Promise<void>;
}

/**
 * Rings at every change of the reflog of a repository on this machine. It also rings when a task was handed
 * back, an agent is new, or the models of an agent have changed.
 */
export function openLocalDoorbell(gitDir: string, notifier: Ring): Doorbell {
  const reflog = path.join(gitDir, 'logs', 'HEAD');
  let ready = false;
  const ring = () => void lastLineOf(reflog).then((line) => notifier.ring(tipOf(line)));
  const released = watchPath(path.join(gitDir, 'bridge', 'bell'), {
    change: () => notifier.ring(),
    ready: () => {},
  });
  const watcher = watchPath(reflog, {
    change: ring,
    ready: () => {
      ready = true;
      ring();
    },
  });
  return {
    connected: () => ready,
    close: async () => void (await Promise.all([watcher.close(), released.close()])),
  };
}

/** The new id in `<old id> <new id> <who> <when>\t<why>`. Undefined where the line has another form. */
function tipOf(line: string): string | undefined {
  return /^[0-9a-f]{40,64} ([0-9a-f]{40,64}) /.exec(line)?.[1];
}

/** The last whole line of a file; empty where there is none. */
async function lastLineOf(file: string): Promise<string> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return '';
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read({ position: Math.max(0, size - MAX_LINE_CHARS) });
    return buffer.toString('utf8', 0, bytesRead).split('\n').at(-2) ?? '';
  } catch {
    return '';
  } finally {
    await handle.close();
  }
}

/**
 * Waits between tries to connect again: at first half a second, then twice as long each time, at most a
 * minute.
 */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 60_000;

/**
 * Rings at every line of `bridge-wait`. A line is one update of `main`, a task that was handed back, a new
 * agent, or other models of an agent. It also rings after each connect, because something may have been
 * missed meanwhile. It connects again by itself, with backoff and jitter. `alone`: over a connection of its
 * own, also where there is a shared one.
 */
export function openSshDoorbell(
  connection: SshConnection,
  notifier: Ring,
  { alone = false }: { readonly alone?: boolean } = {},
): Doorbell {
  const shared = alone ? undefined : connection.shared;
  const options = alone && connection.shared !== undefined ? OWN_CONNECTION : [];
  const closing = new AbortController();
  let waiting: TiedProgram | null = null;
  let timer: NodeJS.Timeout | null = null;
  let connected = false;
  let failures = 0;

  function again(): void {
    if (connected) notifier.ring();
    connected = false;
    if (closing.signal.aborted) return;
    const delay = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS) * (0.5 + Math.random() / 2);
    failures += 1;
    timer = setTimeout(connect, delay);
  }

  async function connect(): Promise<void> {
    try {
      await shared?.ready(closing.signal);
      closing.signal.throwIfAborted();
    } catch {
      // A fetch meets the same failure and reports it; here it is just one more failure.
      again();
      return;
    }
    const mine = startTied(sshWords(connection, options, 'bridge-wait'), {
      env: connection.env,
      // While the shared connection rests, nobody else would remove it where this process is killed.
      leftOver: alone ? connection.shared?.folder : undefined,
    });
    waiting = mine;
    let rest = '';
    mine.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      connected = true;
      failures = 0;
      const lines = (rest + text).split('\n');
      rest = (lines.pop() ?? '').slice(-MAX_LINE_CHARS);
      const tips = lines.map(tipOf);
      const newest = tips.findLast((tip) => tip !== undefined);
      if (newest !== undefined) notifier.ring(newest);
      // A line of the other file is not about main: it is of `bridge/bell`.
      if (tips.includes(undefined)) notifier.ring();
    });
    mine.child.stderr?.resume();
    const ended = () => {
      if (waiting !== mine) return;
      waiting = null;
      again();
    };
    mine.child.on('error', ended);
    mine.child.on('close', ended);
  }

  void connect();
  return {
    connected: () => connected,
    async close() {
      closing.abort();
      if (timer !== null) clearTimeout(timer);
      const last = waiting;
      if (last === null) return;
      // A process that ssh has started may hold its output open for longer.
      last.child.stdout?.destroy();
      last.child.stderr?.destroy();
      await last.end();
    },
  };
}
