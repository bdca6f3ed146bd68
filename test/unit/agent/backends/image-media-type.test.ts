import { expect, test } from 'vitest';
import { imageMediaType } from '../../../../src/agent/backends/lmstudio/lmstudio-request.js';

test.each([
  ['\x89PNG\r\n\x1a\nrest', 'image/png'],
  ['\xff\xd8\xff\xe0rest', 'image/jpeg'],
  ['GIF89arest', 'image/gif'],
  ['GIF87arest', 'image/gif'],
  ['RIFF\x10\x00\x00\x00WEBPVP8 ', 'image/webp'],
  ['RIFF\x10\x00\x00\x00WAVEfmt ', null],
  ['<svg>', null],
  ['', null],
])('%j is %s', (bytes, type) => {
  expect(imageMediaType(Buffer.from(bytes, 'latin1'))).toBe(type);
});
