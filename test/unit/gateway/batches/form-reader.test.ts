import { expect, test } from 'vitest';
import { readForm } from '../../../../src/gateway/batches/form-reader.js';

/** A form whose first part is read in many pieces. */
function bodyIn(pieceBytes: number): Request {
  const form = [
    '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n',
    `${'x'.repeat(100)}\r\n-edge`,
    '\r\n--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--edge--\r\n',
  ].join('');
  const bytes = Buffer.from(form);
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at + pieceBytes));
      at += pieceBytes;
      if (at >= bytes.length) controller.close();
    },
  });
  const headers = { 'content-type': 'multipart/form-data; boundary=edge' };
  return new Request('http://x', { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
}

test.each([
  ['not at all', 0, 7],
  ['its first piece', 1, 7],
  ['its first three pieces', 3, 7],
  ['its first piece, which is all of it', 1, 4096],
  ['the whole of it', 1000, 7],
])('a part of which is read: %s; then the next one comes whole', async (_what, pieces, pieceBytes) => {
  const texts: Record<string, string> = {};
  for await (const { name, bytes } of readForm(bodyIn(pieceBytes))) {
    texts[name] = '';
    let left = name === 'file' ? pieces : 1000;
    if (left === 0) continue;
    for await (const piece of bytes) {
      texts[name] += Buffer.from(piece).toString();
      left -= 1;
      if (left === 0) break;
    }
  }

  expect(Object.keys(texts)).toEqual(['file', 'purpose']);
  expect(texts.purpose).toBe('batch');
});
