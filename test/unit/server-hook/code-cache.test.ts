import { readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadWithCode } from '../../../src/server-hook/code-cache.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P6

/** Runs a program and answers what it left in `globalThis.said`; keeps its code where `keeps`. */
function run(program: string, cache: string, keeps = true): unknown {
  const world = globalThis as { said?: unknown; keepCode?: () => void };
  world.said = undefined;
  loadWithCode(program, cache);
  if (keeps) world.keepCode?.();
  return world.said;
}

const says = (word: string) =>
  `"use strict";globalThis.keepCode = keepCode; function say() { globalThis.said = require('node:path').join('a', '${word}'); } say();`;

async function place() {
  const dir = await tempDir();
  const program = join(dir, 'program.cjs');
  await writeFile(program, says('one'));
  return { dir, program, cache: join(dir, 'program.code') };
}

test('the code of a run is kept, for its owner alone, and used as long as the program is the same', async () => {
  const { program, cache } = await place();
  expect(run(program, cache, false)).toBe('a/one');
  await expect(stat(cache)).rejects.toThrow('ENOENT');
  expect(run(program, cache)).toBe('a/one');
  const kept = await stat(cache);
  expect(kept.mode & 0o777).toBe(0o600);
  expect(run(program, cache)).toBe('a/one');
  // Kept once: what fits is not made again.
  expect((await stat(cache)).ino).toBe(kept.ino);
});

test('another program in its place is another program, also one of the same length and date', async () => {
  const { dir, program, cache } = await place();
  const date = new Date('1985-10-26T08:15:00Z');
  await utimes(program, date, date);
  run(program, cache);
  const kept = await stat(cache);
  await writeFile(join(dir, 'next.cjs'), says('two'));
  await utimes(join(dir, 'next.cjs'), date, date);
  await rename(join(dir, 'next.cjs'), program);
  expect(run(program, cache)).toBe('a/two');
  expect((await stat(cache)).ino).not.toBe(kept.ino);
  await writeFile(program, says('six'));
  await utimes(program, date, date);
  expect(run(program, cache)).toBe('a/six');
});

test('whatever is wrong with what was kept, the program runs, and it is kept again', async () => {
  const { program, cache } = await place();
  run(program, cache);
  const whole = await readFile(cache);
  const flipped = Buffer.from(whole);
  flipped[whole.length - 200] = 255 - (flipped[whole.length - 200] ?? 0);
  const foreign = Buffer.from(whole);
  foreign[0] = 0x58;
  for (const bytes of [Buffer.alloc(0), whole.subarray(0, -1), flipped, foreign, Buffer.from('\n')]) {
    await writeFile(cache, bytes);
    expect(run(program, cache)).toBe('a/one');
    const anew = await readFile(cache);
    expect(anew.subarray(0, 20)).toEqual(whole.subarray(0, 20));
    expect(anew.equals(bytes)).toBe(false);
    expect(run(program, cache, false)).toBe('a/one');
  }
});

test('where it cannot be kept, nothing is lost by it', async () => {
  const { dir, program } = await place();
  expect(run(program, join(dir, 'no-folder', 'code'))).toBe('a/one');
  await expect(async () => loadWithCode(join(dir, 'no-program'), join(dir, 'code'))).rejects.toThrow(
    'ENOENT',
  );
});
