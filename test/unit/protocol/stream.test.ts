import { describe, expect, test } from 'vitest';
import {
  MAX_EVENT_PARTS,
  MAX_STREAM_LINE_BYTES,
  type StreamPiece,
  StreamReader,
  writeStreamLines,
} from '../../../src/protocol/stream.js';

const BEGIN = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };
const bytesOf = (text: string) => Buffer.from(text, 'utf8');

/** What a reader makes of the bytes, in chunks of this size. */
function read(bytes: Uint8Array, chunk = bytes.length): StreamPiece[] {
  const reader = new StreamReader();
  const pieces: StreamPiece[] = [];
  for (let at = 0; at < bytes.length; at += chunk)
    pieces.push(...reader.read(bytes.subarray(at, at + chunk)));
  return pieces;
}

/** Neighbouring texts as one, for a text may have become several lines. */
function said(pieces: readonly StreamPiece[], kind: 'text' | 'thinking'): string {
  return pieces.map((piece) => (kind in piece ? (piece as Record<string, string>)[kind] : '')).join('');
}

describe('what is written', () => {
  test('is one line for each piece, and reads back, byte by byte as well', () => {
    const pieces: StreamPiece[] = [
      BEGIN,
      { thinking: 'hm\n' },
      { text: 'Привет 🦙 "quoted"\u2028' },
      { event: 'data: {"x":1}\n\n' },
      { end: true },
    ];
    const bytes = Buffer.concat(pieces.map(writeStreamLines));

    expect(bytes.toString('utf8')).toBe(
      [
        '',
        '{"begin":{"agent":"home-pc","at":"2026-11-26T21:00:00.000Z"}}',
        '{"thinking":"hm\\n"}',
        '{"text":"Привет 🦙 \\"quoted\\"\\u2028"}',
        '{"event":"data: {\\"x\\":1}\\n\\n"}',
        '{"end":true}',
        '',
      ].join('\n'),
    );
    expect(read(bytes)).toEqual(pieces);
    expect(read(bytes, 1)).toEqual(pieces);
  });

  test.each([
    ['letters', 'x'.repeat(10_000)],
    ['letters that just fit', 'x'.repeat(MAX_STREAM_LINE_BYTES - '{"text":""}\n'.length)],
    ['one more', 'x'.repeat(MAX_STREAM_LINE_BYTES - '{"text":""}\n'.length + 1)],
    ['llamas', '🦙'.repeat(5_000)],
    ['llamas, off by one', `x${'🦙'.repeat(5_000)}`],
    ['controls', '\u0001'.repeat(5_000)],
    ['quotes', '"'.repeat(5_000)],
    ['line separators', '\u2028\u0085'.repeat(3_000)],
    ['nothing', ''],
  ])('no line is longer than the limit, and no character is cut: %s', (_what, text) => {
    for (const kind of ['text', 'thinking'] as const) {
      const bytes = writeStreamLines({ [kind]: text } as StreamPiece);
      const lines = bytes.toString('utf8').split('\n').slice(0, -1);
      for (const line of lines) expect(bytesOf(line).length).toBeLessThan(MAX_STREAM_LINE_BYTES);
      // Each but the last is more than a third full.
      expect(lines.length).toBeLessThanOrEqual(1 + (3 * bytes.length) / MAX_STREAM_LINE_BYTES);
      expect(said(read(bytes, 777), kind)).toBe(text);
    }
    const event = writeStreamLines({ event: text });
    for (const line of event.toString('utf8').split('\n')) {
      expect(bytesOf(line).length).toBeLessThan(MAX_STREAM_LINE_BYTES);
    }
    expect(read(event, 777)).toEqual([{ event: text }]);
  });

  test('a line of exactly the limit is read', () => {
    const bytes = writeStreamLines({ text: 'x'.repeat(MAX_STREAM_LINE_BYTES - '{"text":""}\n'.length) });
    expect(bytes.length).toBe(MAX_STREAM_LINE_BYTES);
    expect(read(bytes)).toHaveLength(1);
  });

  test('half a character is never written', () => {
    const bytes = writeStreamLines({ text: 'a\ud83e' });
    expect(read(bytes)).toEqual([{ text: 'a\ufffd' }]);
    expect(read(writeStreamLines({ event: '\udd99b' }))).toEqual([{ event: '\ufffdb' }]);
  });

  test('an event that is longer than a whole stream is left out', () => {
    expect(writeStreamLines({ event: 'x'.repeat(MAX_EVENT_PARTS * MAX_STREAM_LINE_BYTES) })).toHaveLength(0);
  });
});

describe('what is read', () => {
  const text = '{"text":"a"}\n';
  const part = (at: number, of: number) => `{"event":"${at}","part":${at},"of":${of}}\n`;
  test.each<[string, string, StreamPiece[]]>([
    ['a line that is no JSON is passed over', `{"text":\n${text}`, [{ text: 'a' }]],
    ['a line that was cut waits for its rest', `${text}{"text":"b`, [{ text: 'a' }]],
    ['an empty line says nothing', `\n\n${text}\n`, [{ text: 'a' }]],
    [
      'a new file behind a cut line is read from its begin',
      `{"text":"cu\n${JSON.stringify(BEGIN)}\n${text}`,
      [BEGIN, { text: 'a' }],
    ],
    [
      'begin may come again',
      `${JSON.stringify(BEGIN)}\n${text}${JSON.stringify(BEGIN)}\n`,
      [BEGIN, { text: 'a' }, BEGIN],
    ],
    ['a key twice', `{"text":"b","text":"c"}\n${text}`, [{ text: 'a' }]],
    ['two kinds in one', `{"text":"b","thinking":"c"}\n${text}`, [{ text: 'a' }]],
    ['an unknown kind', `{"tool":"b"}\n{"__proto__":"x"}\n[]\nnull\n"x"\n${text}`, [{ text: 'a' }]],
    ['another type', `{"text":1}\n{"end":false}\n{"begin":true}\n${text}`, [{ text: 'a' }]],
    ['a lone surrogate', `{"text":"\\ud83e"}\n${text}`, [{ text: 'a' }]],
    [
      'a begin of no agent',
      `{"begin":{"agent":"../x","at":"2026-11-26T21:00:00.000Z"}}\n${text}`,
      [{ text: 'a' }],
    ],
    ['a begin of no time', `{"begin":{"agent":"x","at":"today"}}\n${text}`, [{ text: 'a' }]],
    ['parts are joined', part(1, 3) + part(2, 3) + part(3, 3) + text, [{ event: '123' }, { text: 'a' }]],
    ['a part is missing', part(1, 3) + part(3, 3) + text, [{ text: 'a' }]],
    ['the first part is missing', part(2, 2) + text, [{ text: 'a' }]],
    ['something stands between parts', part(1, 2) + text + part(2, 2), [{ text: 'a' }]],
    ['a broken line stands between parts', `${part(1, 2)}{\n${part(2, 2)}`, []],
    ['an event begins again', part(1, 2) + part(1, 2) + part(2, 2), [{ event: '12' }]],
    ['a part beyond the last', part(1, 2) + part(3, 2), []],
    ['a part of one', part(1, 1), []],
    ['too many parts', part(1, MAX_EVENT_PARTS + 1), []],
    ['a part without its number', '{"event":"x","of":2}\n', []],
  ])('%s', (_what, bytes, pieces) => {
    expect(read(bytesOf(bytes))).toEqual(pieces);
    expect(read(bytesOf(bytes), 1)).toEqual(pieces);
  });

  test('bytes that are no UTF-8 are passed over', () => {
    const broken = Buffer.concat([
      bytesOf('{"text":"'),
      Buffer.from([0xff, 0xc3]),
      bytesOf('"}\n'),
      bytesOf(text),
    ]);
    expect(read(broken)).toEqual([{ text: 'a' }]);
  });

  test('a line that is too long is passed over, whole, and kept nowhere', () => {
    const long = `{"text":"${'x'.repeat(MAX_STREAM_LINE_BYTES)}"}\n`;
    for (const chunk of [undefined, 1, 100, 4096])
      expect(read(bytesOf(long + text), chunk)).toEqual([{ text: 'a' }]);
    const reader = new StreamReader();
    expect(reader.read(Buffer.alloc(1_000_000, 'x'))).toEqual([]);
    expect(reader.read(bytesOf(`\n${text}`))).toEqual([{ text: 'a' }]);
  });

  test('what is not complete is forgotten where another stream begins', () => {
    const reader = new StreamReader();
    expect(reader.read(bytesOf(`${part(1, 2)}{"text":"c`))).toEqual([]);
    reader.startOver();
    expect(reader.read(bytesOf(part(2, 2) + text))).toEqual([{ text: 'a' }]);
  });
});
