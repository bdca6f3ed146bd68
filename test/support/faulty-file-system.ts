import type { FileHandle } from 'node:fs/promises';
import { DISK, type LogFileSystem } from '../../src/process/durable-file.js';

/** How a call to the disk can end, besides success. */
export const FAULTS = [
  'ENOSPC',
  'EIO',
  'EINTR',
  'short',
  'half-then-dies',
  'dies-before',
  'dies-after',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Thrown where the process is dead: code that runs after it has no effect. */
export class Died extends Error {}

/** A disk on which one call fails. */
export interface FaultyFileSystem {
  readonly fs: LogFileSystem;
  /**
   * The calls so far, each with its kind and its number within the kind: `write answers.log 2`. Calls made
   * at the same time have no fixed order.
   */
  readonly calls: readonly string[];
  /** Whether the call that has to fail was made. */
  hit(): boolean;
  /** Closes what the kernel would close for a dead process. */
  close(): Promise<void>;
}

/** The calls that change or guarantee something. The others are passed through. */
const COUNTED_ON_HANDLE = ['write', 'sync', 'truncate', 'chmod'] as const;

/**
 * Ends the call `at` (none where it is null) with `fault`. After a death every further call dies too, so
 * that no clean-up runs.
 */
export function faultyFileSystem(at: string | null, fault: Fault): FaultyFileSystem {
  const calls: string[] = [];
  const counts = new Map<string, number>();
  let hit = false;
  let isDead = false;
  const open: FileHandle[] = [];

  /** Runs a call, or its fault. `half` does half of it and returns the system's result. */
  async function run<T>(name: string, call: () => Promise<T>, half?: () => Promise<T>): Promise<T> {
    if (isDead) throw new Died();
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const named = `${name} ${count}`;
    calls.push(named);
    if (named !== at) return call();
    hit = true;
    if (fault === 'short') return half === undefined ? call() : half();
    if (fault === 'half-then-dies' || fault === 'dies-before' || fault === 'dies-after') {
      isDead = true;
      if (fault === 'half-then-dies') await half?.();
      if (fault === 'dies-after') await call();
      throw new Died();
    }
    throw Object.assign(new Error(`${fault}: injected, ${name}`), { code: fault });
  }

  function wrap(handle: FileHandle, file: string): FileHandle {
    open.push(handle);
    return new Proxy(handle, {
      get(target, key: keyof FileHandle) {
        const value: unknown = target[key];
        if (typeof value !== 'function') return value;
        const call = (...args: unknown[]) => value.apply(target, args) as Promise<unknown>;
        if (key === 'close') return async () => (isDead ? undefined : target.close());
        if (!COUNTED_ON_HANDLE.some((name) => name === key)) {
          return (...args: unknown[]) => {
            if (isDead) throw new Died();
            return call(...args);
          };
        }
        return (...args: unknown[]) => {
          const [bytes, offset, length] = args as [Buffer, number, number];
          const half =
            key === 'write' && length > 1
              ? () => call(bytes, offset, Math.floor(length / 2), null)
              : undefined;
          return run(`${String(key)} ${file}`, () => call(...args), half);
        };
      },
    });
  }

  return {
    fs: {
      ...DISK,
      open: (file, flags, mode) =>
        run(`open ${file}`, async () => wrap(await DISK.open(file, flags, mode), file)),
      stat: (file) => run(`stat ${file}`, () => DISK.stat(file)),
      readdir: (folder) => run(`readdir ${folder}`, () => DISK.readdir(folder)),
      mkdir: (folder, options) => run(`mkdir ${folder}`, () => DISK.mkdir(folder, options)),
      link: (from, to) => run(`link ${from}`, () => DISK.link(from, to)),
      rename: (from, to) => run(`rename ${from}`, () => DISK.rename(from, to)),
    },
    calls,
    hit: () => hit,
    async close() {
      await Promise.all(open.map((handle) => handle.close().catch(() => {})));
    },
  };
}
