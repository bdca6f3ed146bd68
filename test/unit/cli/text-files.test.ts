import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { PipedLines } from '../../../src/cli/chat/piped-lines.js';
import { readStdin } from '../../../src/cli/read-stdin.js';
import { askedFieldsOf } from '../../../src/cli/request-fields.js';
import { readLines } from '../../../src/gateway/batches/file-lines.js';
import { tempDir } from '../../support/temp-dir.js';

/** How programs of Windows write a text: Notepad with a mark, PowerShell's ">" as UTF-16. */
const FORMS: readonly (readonly [form: string, write: (text: string) => Buffer])[] = [
  ['UTF-8 with a byte order mark', (text) => Buffer.from(`\ufeff${text}`)],
  ['UTF-16', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
  ['UTF-16, the high byte first', (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
];

const BODY = { model: 'm', messages: [{ role: 'user', content: 'Сколько?' }] };
const TOOLS = [{ type: 'function', function: { name: 'погода', parameters: { type: 'object' } } }];

describe.each(FORMS)('%s is read', (_form, write) => {
  const fileOf = async (text: string) => {
    const file = join(await tempDir(), 'given');
    await writeFile(file, write(text));
    return file;
  };
  const asked = (given: Readonly<Record<string, unknown>>) =>
    askedFieldsOf({ prompt: [], words: [], dedup: false, ...given } as never);

  test('in a file of --file', async () => {
    const task = { prompt: 'Сколько будет 2+2?', metadata: { chat: '7' } };
    expect(await asked({ file: await fileOf(JSON.stringify(task)) })).toEqual(task);
  });

  test('in a file of --format', async () => {
    const schema = { type: 'object', description: 'ответ' };
    const format = await fileOf(JSON.stringify(schema));
    expect(await asked({ prompt: ['2+2'], format })).toEqual({ prompt: '2+2', format: schema });
  });

  test('in a file of --request, and of --tools', async () => {
    const request = await asked({ request: await fileOf(JSON.stringify(BODY)) });
    expect(request).toEqual({ request: { path: '/v1/chat/completions', body: BODY } });
    const { request: call } = await asked({ prompt: ['x'], tools: await fileOf(JSON.stringify(TOOLS)) });
    expect(call?.body.tools).toEqual(TOOLS);
  });

  test('in standard input', async () => {
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([write('Сколько?')]) as never);
    expect(await readStdin(1000, 'less')).toBe('Сколько?');
  });

  test('in a file of --batch, wherever it is cut', async () => {
    const text = `{"custom_id":"один"}\r\n\n{"custom_id":"${'ж🦙'.repeat(100_000)}"}\n`;
    const lines: string[] = [];
    for await (const { bytes } of readLines(await fileOf(text), 1e9)) lines.push(bytes?.toString() ?? '');
    expect(lines).toEqual(text.split(/\r?\n/).filter(Boolean));
  });
});

test.each([
  ['half a pair', Buffer.from('\ufeff{"a":"\ud83e"}', 'utf16le')],
  ['half a character at its end', Buffer.from('\ufeff{"a":1} ', 'utf16le').subarray(0, -1)],
])('a file of --batch in UTF-16 with %s has a line that cannot be read', async (_what, bytes) => {
  const file = join(await tempDir(), 'given');
  await writeFile(file, bytes);
  const lines: Buffer[] = [];
  for await (const { bytes: line } of readLines(file, 1e9)) lines.push(line ?? Buffer.alloc(0));
  expect(lines).toHaveLength(1);
  expect(() => JSON.parse(lines[0]?.toString() ?? '')).toThrow();
});

test('a byte order mark in front of the lines that are piped into a chat is no part of the first', async () => {
  const lines = new PipedLines(Readable.from([Buffer.from('\ufeffодин\r\n\ufeffдва\n')]));
  expect([await lines.next(), await lines.next(), await lines.next()]).toEqual(['один', '\ufeffдва', null]);
});
