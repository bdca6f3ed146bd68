import { expect, test } from 'vitest';
import { runShellLine } from '../../../src/process/run-shell-line.js';

// SECURITY.md: P32

const run = (line: string, signal = new AbortController().signal, timeoutMs = 60_000, debug = {}) =>
  runShellLine(line, { env: { PATH: process.env.PATH, ...debug }, timeoutMs, signal });

test.skipIf(process.platform === 'win32')(
  'a line of the shell is run, and says what went wrong',
  async () => {
    expect(await run('test "$((1 + 1))" = 2 && true')).toBeNull();
    expect(await run('exit 1')).toBe('ended with 1');
    expect(await run('sleep 60', undefined, 20)).toBe('took too long');
  },
);

test.skipIf(process.platform === 'win32')(
  'what a failing line printed is told only with LLM_BRIDGE_DEBUG, because it may be a secret',
  async () => {
    const line = 'echo "no such\nPC for f00d5ecre7"; echo "key f00d5ecre7" >&2; exit 3';
    expect(await run(line)).toBe('ended with 3; LLM_BRIDGE_DEBUG=1 shows what it printed');
    const shown = await run(line, undefined, undefined, { LLM_BRIDGE_DEBUG: '1' });
    expect(shown).toBe('ended with 3: no such PC for f00d5ecre7 key f00d5ecre7');
  },
);

test.skipIf(process.platform === 'win32')('it ends with the signal of its caller', async () => {
  await expect(run('sleep 60', AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
});
