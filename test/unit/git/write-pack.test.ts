import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { looseObjectId, type NewObject } from '../../../src/git/loose-object.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { writePack } from '../../../src/git/write-pack.js';
import { bareBridge } from '../../support/bare-bridge.js';

/** Bytes that do not get smaller, so that what is left out is seen. */
function noise(bytes: number, seed: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes; at += 64) parts.push(createHash('sha512').update(`${seed} ${at}`).digest());
  return Buffer.concat(parts).subarray(0, bytes);
}

test('git reads every object of a pack as it was given: small, large, and more than are made in a turn', async () => {
  const repo = await bareBridge();
  const sizes = [0, 1, 15, 16, 2047, 2048, 16 * 1024, 16 * 1024 + 1, 1_000_000];
  const small = Array.from({ length: 200 }, (_, at) => 20 + at);
  const objects = [...sizes, ...small].map(
    (size, at): NewObject => ({ type: 'blob', content: noise(size, at) }),
  );
  await writePack(repo, objects, 'sha1');
  const reader = openObjectReader(repo);
  try {
    for (const object of objects) {
      const read = await reader.read(looseObjectId(object, 'sha1'));
      expect(read?.info.type).toBe('blob');
      expect(Buffer.compare(read?.content ?? Buffer.of(7), object.content)).toBe(0);
    }
  } finally {
    reader.close();
  }
});
