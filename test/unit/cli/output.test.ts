import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Output } from '../../../src/cli/output.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';

/** Standard output as it is where it goes into a file: no socket, and a descriptor. */
const outputInto = (fd: number) => new Output({ fd, on: () => {} } as unknown as typeof process.stdout);

// What stands in for a disk that is nearly full: it takes a part of a write, and then no more.
describe.skipIf(process.platform === 'win32')('what takes a part of a write only', () => {
  /** A pipe that nobody reads, and that does not wait for a reader. */
  async function fullSoon(): Promise<number> {
    const fifo = path.join(await tempDir(), 'fifo');
    await promisify(execFile)('mkfifo', [fifo]);
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    onCleanup(() => closeSync(fd));
    return fd;
  }

  test('takes a part, as the system says', async () => {
    expect(writeSync(await fullSoon(), Buffer.alloc(1_000_000))).toBeLessThan(1_000_000);
  });

  test('is an output that failed, and nothing is written behind the gap', async () => {
    const output = outputInto(await fullSoon());
    await expect(output.print('x'.repeat(1_000_000))).rejects.toMatchObject({ code: 'output-failed' });
    expect(output.failed.aborted).toBe(true);
    await expect(output.print('more')).rejects.toMatchObject({ code: 'output-failed' });
  });
});

/** What a text must not bring to a terminal or into a line: C0, C1, DEL, bidi, U+2028. */
const SAID = 'a\u001b[2Jb\u009b31mc\u007fd\u202ee\u2066f\u2028g\u0085h';
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/;

test.each<[string, (output: Output) => Promise<void>]>([
  ['JSON', (output) => output.json({ [SAID]: [SAID] })],
  ['a line that should be JSON', (output) => output.jsonLine(`{"a":"${SAID}"}`)],
  ['a line that is none', (output) => output.jsonLine(SAID)],
  ['a text for a person', (output) => output.print(SAID)],
  ['an answer', (output) => output.printAnswer(SAID)],
])('%s on a terminal does nothing to it', async (_what, print) => {
  const file = path.join(await tempDir(), 'out');
  const fd = openSync(file, 'w');
  onCleanup(() => closeSync(fd));
  await print(new Output({ fd, isTTY: true, on: () => {} } as unknown as typeof process.stdout));
  expect(readFileSync(file, 'utf8')).not.toMatch(ACTIVE);
});

test('a status that is drawn again moves the cursor, and nothing in it does', async () => {
  const file = path.join(await tempDir(), 'out');
  const fd = openSync(file, 'w');
  onCleanup(() => closeSync(fd));
  await new Output({ fd, isTTY: true, on: () => {} } as unknown as typeof process.stdout).redraw(SAID);
  expect(readFileSync(file, 'utf8').replace('\u001b[1;1H\u001b[0J', '')).not.toMatch(ACTIVE);
});

test('a file takes the whole of a text', async () => {
  const file = path.join(await tempDir(), 'out');
  await writeFile(file, '');
  const fd = openSync(file, 'a');
  onCleanup(() => closeSync(fd));
  await outputInto(fd).print('ä'.repeat(500_000));
  expect(readFileSync(file, 'utf8')).toBe(`${'ä'.repeat(500_000)}\n`);
});
