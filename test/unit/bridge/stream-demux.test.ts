import { describe, expect, test } from 'vitest';
import { StreamDemux } from '../../../src/bridge/stream-demux.js';

const A = 'a1'.repeat(20);
const B = 'b2'.repeat(32);

const header = (task: string) => `\n==> /srv/bridge.git/bridge/streams/${task} <==\n`;

/** What is read of this output, however it is cut: each cut is tried. */
function readEachWay(output: string): { task: string; piece: unknown }[] {
  const bytes = Buffer.from(output);
  const whole = new StreamDemux([A, B]).read(bytes);
  for (let at = 1; at < bytes.length; at += 1) {
    const demux = new StreamDemux([A, B]);
    expect([...demux.read(bytes.subarray(0, at)), ...demux.read(bytes.subarray(at))], `cut at ${at}`).toEqual(
      whole,
    );
  }
  return whole;
}

const text = (task: string, said: string) => ({ task, piece: { text: said } });

describe('the output of several streams', () => {
  test.each([
    [
      'the mark comes first, and is no stream',
      `==> /srv/bridge.git/bridge/streams/hear.17 <==\n${header(A)}\n{"text":"1"}\n`,
      [text(A, '1')],
    ],
    [
      'the mark comes last',
      `${header(A)}{"text":"1"}\n\n==> /srv/bridge.git/bridge/streams/hear.17 <==\n${header(B)}{"text":"2"}\n`,
      [text(A, '1'), text(B, '2')],
    ],
    [
      'one after the other',
      `${header(A)}\n{"text":"1"}\n${header(B)}\n{"text":"2"}\n${header(A)}{"text":"3"}\n`,
      [text(A, '1'), text(B, '2'), text(A, '3')],
    ],
    [
      'a line that is cut by a header',
      `${header(A)}{"text":"on${header(B)}{"text":"2"}\n${header(A)}e"}\n`,
      [text(B, '2'), text(A, 'one')],
    ],
    [
      'cut within an object',
      `${header(A)}{"event":"{\\"a\\":{}${header(B)}{"text":"2"}\n${header(A)}}"}\n`,
      [text(B, '2'), { task: A, piece: { event: '{"a":{}}' } }],
    ],
    [
      'both are cut',
      `${header(A)}{"text":"on${header(B)}{"text":"tw${header(A)}e"}\n${header(B)}o"}\n`,
      [text(A, 'one'), text(B, 'two')],
    ],
    ['an earlier file that broke off', `${header(A)}{"text":"on\n{"text":"new"}\n`, [text(A, 'new')]],
    [
      'what looks like a header, and is a text',
      `${header(A)}{"text":"\\n==> ${B} <=="}\n`,
      [text(A, `\n==> ${B} <==`)],
    ],
    [
      'a task that was not asked for',
      `${header('c3'.repeat(20))}{"text":"1"}\n${header(A)}{"text":"2"}\n`,
      [text(A, '2')],
    ],
    ['no header at all', '{"text":"1"}\n', []],
  ])('%s', (_what, output, expected) => {
    expect(readEachWay(output)).toEqual(expected);
  });

  test('of one task alone there is no header', () => {
    expect(new StreamDemux([A]).read(Buffer.from('\n{"text":"1"}\n'))).toEqual([text(A, '1')]);
  });

  test('a line without an end takes no memory', () => {
    const demux = new StreamDemux([A]);
    demux.read(Buffer.from(header(A)));
    for (let at = 0; at < 100; at += 1) expect(demux.read(Buffer.alloc(4096, 'x'))).toEqual([]);
    demux.read(Buffer.from('\n'));
    expect(demux.read(Buffer.from('{"text":"1"}\n'))).toEqual([text(A, '1')]);
  });
});
