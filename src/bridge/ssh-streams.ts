import type { StreamPiece } from '../protocol/stream.js';
import type { FollowedStreams } from './folder-streams.js';
import { listenSession, type SessionEnd } from './listen-session.js';
import type { SshConnection } from './run-ssh.js';
import { PlaceInStream } from './stream-place.js';

/**
 * The most sessions that listen. Our own guide allows eight on a connection (`MaxSessions 8`): one is the
 * doorbell, two are a fetch and a push (or the session held for one), one is left for what comes beside
 * them.
 */
export const MAX_LISTENERS = 4;

/**
 * The most tasks that one session listens to; the server takes no more (`hooks/ssh-command.d/words.sh`). So
 * all of 200 that wait are listened to, whichever of them is answered first.
 */
export const MAX_TASKS_EACH = 64;

/** The same on a bridge whose `init` is older: it refuses a session with more. */
const OLD_MAX_TASKS_EACH = 32;

/** Tasks that are asked for within this time go into one session. Milliseconds. */
const GATHER_MS = 15;

/** Waits after a session that brought nothing: at first this, then twice as long each time. Milliseconds. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

interface Session {
  readonly tasks: Set<string>;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Follows streams on another machine. A running session cannot be told of another task. So the session with
 * the fewest tasks is ended, and one with more tasks takes its place: it reads each stream from its
 * beginning and skips what was heard. Where there is no room for all, the oldest tasks come first, because
 * they are answered first. `take` gets each piece, and must not throw.
 */
export class SshStreams implements FollowedStreams {
  readonly #connection: SshConnection;
  readonly #take: (task: string, piece: StreamPiece) => void;
  readonly #places = new Map<string, PlaceInStream>();
  readonly #sessions = new Set<Session>();
  #timer: NodeJS.Timeout | null = null;
  #planning: Promise<void> = Promise.resolve();
  #failures = 0;
  /** How many sessions the server lets us have now: it may allow fewer, or be too busy for a moment. */
  #most = MAX_LISTENERS;
  #mostEach = MAX_TASKS_EACH;
  #refusals = 0;
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(connection: SshConnection, take: (task: string, piece: StreamPiece) => void) {
    this.#connection = connection;
    this.#take = take;
  }

  follow(task: string): void {
    if (this.#isClosed || this.#places.has(task)) return;
    this.#places.set(task, new PlaceInStream());
    this.#planIn(GATHER_MS);
  }

  leave(task: string): void {
    if (!this.#places.delete(task)) return;
    for (const session of this.#sessions) {
      if (session.tasks.delete(task) && session.tasks.size === 0) session.stop.abort();
    }
    this.#planIn(GATHER_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of [this.#timer, this.#retry]) if (timer !== null) clearTimeout(timer);
    await this.#planning;
    await Promise.all([...this.#sessions].map(stopSession));
  }

  #planIn(ms: number): void {
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#planning = this.#planning.then(() => this.#plan());
    }, ms);
    this.#timer.unref();
  }

  async #plan(): Promise<void> {
    for (let left = this.#unheard(); left.length > 0 && !this.#isClosed; left = this.#unheard()) {
      if (this.#sessions.size < this.#most) {
        this.#listen(left.slice(0, this.#mostEach));
        continue;
      }
      const [smallest] = [...this.#sessions].sort((a, b) => a.tasks.size - b.tasks.size);
      const room = this.#mostEach - (smallest?.tasks.size ?? this.#mostEach);
      // The rest is listened to when tasks of these sessions have ended.
      if (smallest === undefined || room <= 0) return;
      await stopSession(smallest);
      const tasks = [...smallest.tasks].filter((task) => this.#places.has(task));
      this.#listen([...tasks, ...left.slice(0, room)]);
    }
  }

  /** The tasks that no session listens to, the oldest first. */
  #unheard(): string[] {
    const heard = new Set([...this.#sessions].flatMap(({ tasks }) => [...tasks]));
    return [...this.#places.keys()].filter((task) => !heard.has(task));
  }

  #listen(tasks: readonly string[]): void {
    const stop = new AbortController();
    const session: Session = {
      tasks: new Set(tasks),
      stop,
      ended: this.#run(tasks, stop.signal).then((end) => {
        this.#sessions.delete(session);
        if (this.#isClosed || stop.signal.aborted) return;
        const isFailure = end !== 'heard';
        // Not after any other failure: a server that was busy for a moment would count as older for ever.
        if (end === 'refused' && tasks.length > OLD_MAX_TASKS_EACH) this.#mostEach = OLD_MAX_TASKS_EACH;
        if (isFailure && this.#sessions.size > 0) return this.#refused();
        this.#most = MAX_LISTENERS;
        this.#failures = isFailure ? this.#failures + 1 : 0;
        this.#planIn(isFailure ? delayAfter(this.#failures) : GATHER_MS);
      }),
    };
    this.#sessions.add(session);
  }

  /**
   * While other sessions are open, a failure means that the server takes no more of them. It is asked again
   * after a while, because it may only have been busy, and the tasks that are left over are to be heard as
   * well.
   */
  #refused(): void {
    this.#most = this.#sessions.size;
    this.#refusals += 1;
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      this.#most = MAX_LISTENERS;
      this.#planIn(0);
    }, delayAfter(this.#refusals)).unref();
    this.#planIn(GATHER_MS);
  }

  /** Resolves when the session has ended. Never throws. */
  #run(tasks: readonly string[], signal: AbortSignal): Promise<SessionEnd> {
    const listener = {
      begins: () => {
        for (const task of tasks) this.#places.get(task)?.readAgain();
      },
      lives: () => {
        this.#refusals = 0;
        this.#failures = 0;
      },
      take: (task: string, piece: StreamPiece) => {
        if (this.#places.get(task)?.isNew(piece) === true) this.#take(task, piece);
      },
    };
    return listenSession(this.#connection, tasks, listener, signal);
  }
}

/** How long to wait after this many failures in a row. Milliseconds. */
function delayAfter(failures: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), MAX_DELAY_MS) * (0.5 + Math.random() / 2);
}

async function stopSession({ stop, ended }: Session): Promise<void> {
  stop.abort();
  await ended;
}
