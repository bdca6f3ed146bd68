import { startProgram } from '../process/start-program.js';
import type { ObjectInfo } from './git-objects.js';
import { argsOn, type Repository } from './run-git.js';

/**
 * Reads objects of a repository through one git process that stays open. One call at a time runs; the others
 * queue.
 */
export interface ObjectReader {
  /**
   * Type and size; null where there is no such object. `name` is an object id, the full name of a ref, or
   * `<commit>:<path>` without a line break.
   */
  info(name: string): Promise<ObjectInfo | null>;
  /**
   * The whole object; null where there is none, or where it is larger than `maxBytes`. The size is checked
   * before reading.
   */
  read(name: string, maxBytes?: number): Promise<{ info: ObjectInfo; content: Buffer } | null>;
  /** Starts git where it does not run, so that the next call does not wait for the start. */
  warm(): void;
  close(): void;
}

/**
 * Opens a reader. It starts git (`cat-file --batch-command`) at the first call. Close it, or the process
 * stays. With `idleMs` the process ends after that time without a call, and the next call starts another.
 */
export function openObjectReader(
  repo: Repository,
  { idleMs }: { readonly idleMs?: number } = {},
): ObjectReader {
  let pipe: BatchPipe | null = null;
  let queue: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let idle: NodeJS.Timeout | undefined;
  let closed = false;

  function opened(): BatchPipe {
    if (pipe === null || pipe.ended()) pipe = openPipe(repo);
    return pipe;
  }

  function letGo(): void {
    if (waiting > 0) return;
    pipe?.close();
    pipe = null;
  }

  function used(): void {
    if (idleMs === undefined) return;
    clearTimeout(idle);
    idle = setTimeout(letGo, idleMs).unref();
  }

  function inTurn<T>(job: (pipe: BatchPipe) => Promise<T>): Promise<T> {
    waiting += 1;
    const result = queue.then(() => {
      // A call that is still queued when its reader is closed must not start a git that nobody ends.
      if (closed) throw new Error('the object reader is closed');
      return job(opened());
    });
    queue = result
      .catch(() => {})
      .then(() => {
        waiting -= 1;
        if (!closed) used();
      });
    return result;
  }

  async function ask(to: BatchPipe, command: string, name: string): Promise<ObjectInfo | null> {
    if (/[\r\n]/.test(name)) throw new Error('an object name cannot have a line break');
    to.send(`${command} ${name}\n`);
    return parseHeader(await to.line());
  }

  return {
    info: (name) => inTurn((to) => ask(to, 'info', name)),
    read: (name, maxBytes = Number.POSITIVE_INFINITY) =>
      inTurn(async (to) => {
        if (maxBytes !== Number.POSITIVE_INFINITY) {
          const known = await ask(to, 'info', name);
          if (known === null || known.size > maxBytes) return null;
        }
        const info = await ask(to, 'contents', name);
        if (info === null) return null;
        const content = await to.bytes(info.size + 1);
        return { info, content: content.subarray(0, info.size) };
      }),
    warm() {
      if (closed) return;
      opened();
      used();
    },
    close() {
      closed = true;
      clearTimeout(idle);
      pipe?.close();
    },
  };
}

/** `<id> <type> <size>`, or `<name> missing` (also `ambiguous`, which a full id never is). */
function parseHeader(line: string): ObjectInfo | null {
  const match = /^([0-9a-f]{40,64}) (blob|tree|commit|tag) ([0-9]+)$/.exec(line);
  if (match === null) return null;
  const [, id = '', type = '', size = ''] = match;
  return { id, type: type as ObjectInfo['type'], size: Number(size) };
}

interface BatchPipe {
  send(text: string): void;
  line(): Promise<string>;
  bytes(count: number): Promise<Buffer>;
  ended(): boolean;
  close(): void;
}

/** The process, and its output as a stream from which a line or a number of bytes can be read. */
function openPipe(repo: Repository): BatchPipe {
  const command = ['git', ...argsOn(repo, ['cat-file', '--batch-command'])] as const;
  const child = startProgram(command, { env: repo.env, stdin: 'pipe' });
  let chunks: Buffer[] = [];
  let length = 0;
  let ended = false;
  let failure: Error | null = null;
  let stderr = '';
  let wake: (() => void) | null = null;
  const end = (error?: Error) => {
    ended = true;
    failure ??= error ?? null;
    wake?.();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    wake?.();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-1000);
  });
  child.stdin.on('error', () => {});
  child.on('error', end);
  child.on('close', () => end());

  async function more(): Promise<void> {
    if (ended) throw failure ?? new Error(`git cat-file ended early: ${stderr.trim()}`);
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    wake = null;
  }
  function take(count: number): Buffer {
    const all = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    chunks = [all.subarray(count)];
    length = all.length - count;
    return all.subarray(0, count);
  }

  return {
    send: (text) => void child.stdin.write(text),
    async line() {
      for (;;) {
        // Headers are short and come alone, so joining the buffers costs nothing.
        const all = Buffer.concat(chunks);
        chunks = [all];
        const newline = all.indexOf(0x0a);
        if (newline >= 0) return take(newline + 1).toString('utf8', 0, newline);
        await more();
      }
    },
    async bytes(count) {
      while (length < count) await more();
      return take(count);
    },
    ended: () => ended,
    close: () => {
      // Closing its input ends it; nothing waits for that. A pipe that nobody reads must not keep this
      // process alive.
      child.stdin.end();
      child.stdout.resume();
      child.unref();
    },
  };
}
