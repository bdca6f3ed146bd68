import path from 'node:path';
import type { Bell } from './bell.js';
import { endSsh, type SshDoor, spawnSsh } from './run-ssh.js';
import { watchPath } from './watch-path.js';

/** A running doorbell: it rings a bell whenever `main` may have moved. Rings are hints; git alone says what is true. */
export interface Doorbell {
  /** Whether it would ring now. While false (no connection, no such service), the caller has to poll. */
  connected(): boolean;
  close(): Promise<void>;
}

/** Rings at every change of the reflog of a repository on this machine, and where a task was handed back. */
export function openLocalDoorbell(gitDir: string, bell: Bell): Doorbell {
  let ready = false;
  const released = watchPath(path.join(gitDir, 'bridge', 'bell'), {
    change: () => bell.ring(),
    ready: () => {},
    error: () => {},
  });
  const watcher = watchPath(path.join(gitDir, 'logs', 'HEAD'), {
    change: () => bell.ring(),
    ready: () => {
      ready = true;
      bell.ring();
    },
    error: () => {
      ready = false;
    },
  });
  return {
    connected: () => ready,
    close: async () => void (await Promise.all([watcher.close(), released.close()])),
  };
}

/** Waits between tries to connect again: at first half a second, then twice as long each time, at most a minute. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 60_000;

/**
 * Rings at every line of `bridge-wait`, which is one update of `main` each, and once more whenever it has connected, because
 * something may have been missed meanwhile. Connects again by itself, with backoff and jitter.
 */
export function openSshDoorbell(door: SshDoor, bell: Bell): Doorbell {
  let child: ReturnType<typeof spawnSsh> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let connected = false;
  let failures = 0;

  function connect(): void {
    const mine = spawnSsh(door, 'bridge-wait');
    child = mine;
    mine.stdout?.on('data', () => {
      connected = true;
      failures = 0;
      bell.ring();
    });
    mine.stderr?.resume();
    const again = () => {
      if (child !== mine) return;
      child = null;
      if (connected) bell.ring();
      connected = false;
      if (closed) return;
      const delay = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS) * (0.5 + Math.random() / 2);
      failures += 1;
      timer = setTimeout(connect, delay);
    };
    mine.on('error', again);
    mine.on('close', again);
  }

  connect();
  return {
    connected: () => connected,
    async close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      const last = child;
      if (last === null) return;
      await new Promise<void>((resolve) => {
        last.once('exit', () => resolve());
        last.once('error', () => resolve());
        endSsh(last);
      });
    },
  };
}
