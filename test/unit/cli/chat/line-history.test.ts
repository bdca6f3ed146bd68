import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lineHistoryFile, MAX_KEPT_LINES, openLineHistory } from '../../../../src/cli/chat/line-history.js';
import { tempDir } from '../../../support/temp-dir.js';

const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);

test('lines are kept for the next chat, the newest first, each of several rows as one, and for nobody else', async () => {
  const file = join(await tempDir(), 'state', 'llm-bridge', 'chat-history');
  const first = await openLineHistory(file);
  expect(first.lines).toEqual([]);
  for (const line of ['one', 'two\nrows', 'two\nrows', '  ', 'x'.repeat(10_001)]) await first.add(line);
  expect((await openLineHistory(file)).lines).toEqual(['two\nrows', 'one']);
  expect(await modeOf(file)).toBe('600');
  expect(await modeOf(join(file, '..'))).toBe('700');
});

test('a file that others can read is shut, what is no line of it is passed over, and it does not grow for ever', async () => {
  const file = join(await tempDir(), 'chat-history');
  const many = Array.from({ length: 2 * MAX_KEPT_LINES + 1 }, (_, at) => `${JSON.stringify(`line ${at}`)}\n`);
  await writeFile(file, `no JSON\n{"a":1}\n${many.join('')}"torn`);
  await chmod(file, 0o644);
  const { lines } = await openLineHistory(file);
  expect(lines).toHaveLength(MAX_KEPT_LINES);
  expect(lines[0]).toBe(`line ${2 * MAX_KEPT_LINES}`);
  expect(await modeOf(file)).toBe('600');
  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(MAX_KEPT_LINES);
});

test('the file stands where the state of programs stands', () => {
  if (process.platform !== 'linux') return;
  expect(lineHistoryFile({ HOME: '/home/me' })).toBe('/home/me/.local/state/llm-bridge/chat-history');
  expect(lineHistoryFile({ HOME: '/home/me', XDG_STATE_HOME: '/s' })).toBe('/s/llm-bridge/chat-history');
});
