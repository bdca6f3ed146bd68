import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDisk } from '../../../../src/admin/doctor/check-disk.js';

const check = (warnBytes: number, brokenBytes: number) =>
  checkDisk(join(tmpdir(), 'not', 'there', 'yet'), { warnBytes, brokenBytes });

test('a disk is nearly full, full, or neither, also for a folder that is not made yet', async () => {
  const huge = Number.MAX_SAFE_INTEGER;

  expect(await check(0, 0)).toMatchObject({ status: 'ok', text: expect.stringMatching(/^\d.* free for /) });
  expect(await check(huge, 0)).toMatchObject({
    status: 'warning',
    remedy: expect.stringMatching(/^free some: du /),
  });
  expect(await check(huge, huge)).toMatchObject({ status: 'broken', text: expect.stringMatching(/^only /) });
});
