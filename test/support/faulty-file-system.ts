import type { FileHandle } from 'node:fs/promises';
import { DISK, type LogFileSystem } from '../../src/git/log-file-system.js';

/** What a call on the disk can end as, besides doing what it says. */
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

/** Thrown where the process is dead: nothing that runs after it has any effect. */
export class Died extends Error {}

/** A disk whose n-th call fails. */
export interface FaultyFileSystem {
  readonly fs: LogFileSystem;
  /** What the n-th call was (`write answers.log`); null where there were fewer. */
  hit(): string | null;
  /** Ends what a dead process would have left to the kernel. */
  close(): Promise<void>;
}

/** The calls that change something or promise something; the others are only counted through. */
const COUNTED_ON_HANDLE = ['write', 'sync', 'truncate', 'chmod'] as const;

/** Lets call number `n` (from 1) end as `fault`. After a death every further call dies too, so that no clean-up runs. */
export function faultyFileSystem(n: number, fault: Fault): FaultyFileSystem {
  let calls = 0;
  let hit: string | null = null;
  let isDead = false;
  const open: FileHandle[] = [];

  /** Runs a call, or what becomes of it. `half` does half of it and answers what the system would. */
  async function run<T>(name: string, call: () => Promise<T>, half?: () => Promise<T>): Promise<T> {
    if (isDead) throw new Died();
    calls += 1;
    if (calls !== n) return call();
    hit = name;
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
    hit: () => hit,
    async close() {
      await Promise.all(open.map((handle) => handle.close().catch(() => {})));
    },
  };
}
