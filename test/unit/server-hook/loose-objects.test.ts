import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countLoose, estimateLoose, isWorthPacking } from '../../../src/server-hook/upkeep/loose-objects.js';
import { tempDir } from '../../support/temp-dir.js';

const MIB = 1024 * 1024;

test('many loose objects are worth packing, and so are large ones; what was left the last time is not', () => {
  expect(isWorthPacking({ files: 4_999, bytes: 64 * MIB - 1 })).toBe(false);
  expect(isWorthPacking({ files: 5_000, bytes: 0 })).toBe(true);
  expect(isWorthPacking({ files: 8, bytes: 64 * MIB })).toBe(true);
  expect(isWorthPacking({ files: 8, bytes: 64 * MIB }, { files: 0, bytes: 1 })).toBe(false);
  expect(isWorthPacking({ files: 6_000, bytes: 0 }, { files: 1_001, bytes: 0 })).toBe(false);
});

test('loose objects are counted, and estimated from the folders of one look', async () => {
  const dir = await tempDir();
  for (let at = 0; at < 256; at += 1) {
    const folder = join(dir, 'objects', at.toString(16).padStart(2, '0'));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'a'), 'x'.repeat(at < 128 ? 10 : 30));
  }
  await mkdir(join(dir, 'objects', 'pack'));
  await writeFile(join(dir, 'objects', 'pack', 'a.pack'), 'x'.repeat(1000));
  expect(countLoose(dir)).toEqual({ files: 256, bytes: 128 * 40 });
  for (const random of [0, 0.3, 0.999]) expect(estimateLoose(dir, () => random).files).toBe(256);
  expect(countLoose(join(dir, 'nowhere'))).toEqual({ files: 0, bytes: 0 });
});
