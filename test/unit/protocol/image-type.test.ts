import { expect, test } from 'vitest';
import { imageFault, imageMediaType } from '../../../src/protocol/image-type.js';

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

test('of several images the first that is none is named', () => {
  const png = Buffer.from('\x89PNG\r\n\x1a\nrest', 'latin1').toString('base64');
  expect(imageFault([])).toBeNull();
  expect(imageFault([png, png])).toBeNull();
  expect(imageFault([png, Buffer.from('random').toString('base64')])).toBe(
    'image 2 is no PNG, JPEG, GIF or WebP',
  );
});
