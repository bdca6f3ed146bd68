import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstModelIn } from '../../../../src/gateway/batches/first-model.js';
import { tempDir } from '../../../support/temp-dir.js';

const line = (model: unknown, more = '') => JSON.stringify({ custom_id: 'a', body: { model, more } });

test.each([
  ['a line', `${line('llama3.2')}\n${line('other')}\n`, 'llama3.2'],
  ['a line without its end', line('llama3.2'), 'llama3.2'],
  ['a byte order mark before it', `\ufeff${line('llama3.2')}\n`, 'llama3.2'],
  ['the line ends of Windows, and blank lines before it', `\r\n \r\n${line('llama3.2')}\r\n`, 'llama3.2'],
  ['characters of several bytes', line('llama3.2', 'ж'.repeat(1_000_000)), 'llama3.2'],
  ['a line that is too long', `${line('llama3.2', 'ж'.repeat(2_100_000))}\n${line('other')}`, undefined],
  ['a model that is no text', line(7), undefined],
  ['no JSON', 'model: llama3.2', undefined],
  ['nothing', '', undefined],
])('the model of a batch is that of its first request: %s', async (_what, text, model) => {
  const file = join(await tempDir(), 'in.jsonl');
  await writeFile(file, text);
  expect(await firstModelIn(file)).toBe(model);
});

test('a file that is gone names no model', async () => {
  expect(await firstModelIn(join(await tempDir(), 'in.jsonl'))).toBeUndefined();
});
