import { expect, test } from 'vitest';
import { runShellLine } from '../../../src/process/run-shell-line.js';

const run = (line: string, signal = new AbortController().signal, timeoutMs = 60_000) =>
  runShellLine(line, { env: { PATH: process.env.PATH }, timeoutMs, signal });

test.skipIf(process.platform === 'win32')(
  'a line of the shell is run, and says what went wrong',
  async () => {
    expect(await run('test "$((1 + 1))" = 2 && true')).toBeNull();
    expect(await run('echo "no such\nPC" >&2; exit 3')).toBe('ended with 3: no such PC');
    expect(await run('exit 1')).toBe('ended with 1');
    expect(await run('sleep 60', undefined, 20)).toBe('took too long');
  },
);

test.skipIf(process.platform === 'win32')('it ends with the signal of its caller', async () => {
  await expect(run('sleep 60', AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
});
