import fc from 'fast-check';
import { expect, test } from 'vitest';
import { strictJsonLines } from '../../../../../src/agent/backends/ollama/ollama-wire.js';

const MAX_LINE = 1024 * 1024;

function responseOf(chunks: readonly Uint8Array[]): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  return new Response(body);
}

test('lines of JSON objects come through, however the packets are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' }))),
      fc.nat(),
      async (objects, seed) => {
        const text = objects.map((object) => `${JSON.stringify(object)}\n`).join('');
        const bytes = Buffer.from(text);
        const cut = bytes.length === 0 ? 0 : seed % bytes.length;
        const response = strictJsonLines(responseOf([bytes.subarray(0, cut), bytes.subarray(cut)]), MAX_LINE);
        expect(await response.text()).toBe(text);
      },
    ),
  );
});

test('blank lines are left out, and a last line without a newline gets one', async () => {
  const response = strictJsonLines(
    responseOf([Buffer.from('\n{"a":1}\n\r\n'), Buffer.from('{"b":2}')]),
    MAX_LINE,
  );
  expect(await response.text()).toBe('{"a":1}\n{"b":2}\n');
});

test.each(['{"a":1}\n{"b":\n', 'hello\n', '42\n', 'null\n'])('%j fails', async (text) => {
  await expect(strictJsonLines(responseOf([Buffer.from(text)]), MAX_LINE).text()).rejects.toThrow(
    SyntaxError,
  );
});

test('a last line that the end of the body cuts off is a stream that broke', async () => {
  const cut = strictJsonLines(responseOf([Buffer.from('{"a":1}\n{"cut":"o')]), MAX_LINE).text();
  await expect(cut).rejects.toMatchObject({
    name: 'StreamFailure',
    message: 'ended the stream in the middle of a line',
  });
});
