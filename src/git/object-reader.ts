import { type BatchPipe, openBatchPipe } from './batch-pipe.js';
import type { ObjectInfo } from './git-objects.js';
import type { Repository } from './run-git.js';

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
  read(name: string, maxBytes?: number): Promise<ReadObject | null>;
  /**
   * Several small objects, in the order of their names; null where there is none, or where it is larger than
   * `maxBytes`. Git is asked for all of them at once, twice, where `read` waits twice for each.
   */
  readSmall(names: readonly string[], maxBytes: number): Promise<(ReadObject | null)[]>;
  /** Starts git where it does not run, so that the next call does not wait for the start. */
  warm(): void;
  close(): void;
}

export interface ReadObject {
  readonly info: ObjectInfo;
  readonly content: Buffer;
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
    if (pipe === null || pipe.ended()) pipe = openBatchPipe(repo);
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

  return {
    info: (name) => inTurn((to) => askInfo(to, name)),
    read: (name, maxBytes = Number.POSITIVE_INFINITY) =>
      inTurn(async (to) => {
        if (maxBytes !== Number.POSITIVE_INFINITY) {
          const known = await askInfo(to, name);
          if (known === null || known.size > maxBytes) return null;
        }
        send(to, 'contents', [name]);
        return contents(to);
      }),
    readSmall: (names, maxBytes) =>
      inTurn(async (to) => {
        send(to, 'info', names);
        const small = new Set<string>();
        for (const name of names) {
          const info = parseHeader(await to.line());
          if (info !== null && info.size <= maxBytes) small.add(name);
        }
        send(to, 'contents', [...small]);
        const read = new Map<string, ReadObject | null>();
        for (const name of small) read.set(name, await contents(to));
        return names.map((name) => read.get(name) ?? null);
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

function send(to: BatchPipe, command: 'info' | 'contents', names: readonly string[]): void {
  if (names.some((name) => /[\r\n]/.test(name))) throw new Error('an object name cannot have a line break');
  if (names.length > 0) to.send(names.map((name) => `${command} ${name}\n`).join(''));
}

async function askInfo(to: BatchPipe, name: string): Promise<ObjectInfo | null> {
  send(to, 'info', [name]);
  return parseHeader(await to.line());
}

/** What git answers to `contents`: the header, the object and a line break. */
async function contents(from: BatchPipe): Promise<ReadObject | null> {
  const info = parseHeader(await from.line());
  if (info === null) return null;
  const content = await from.bytes(info.size + 1);
  return { info, content: content.subarray(0, info.size) };
}

/** `<id> <type> <size>`, or `<name> missing` (also `ambiguous`, which a full id never is). */
function parseHeader(line: string): ObjectInfo | null {
  const match = /^([0-9a-f]{40,64}) (blob|tree|commit|tag) ([0-9]+)$/.exec(line);
  if (match === null) return null;
  const [, id = '', type = '', size = ''] = match;
  return { id, type: type as ObjectInfo['type'], size: Number(size) };
}
