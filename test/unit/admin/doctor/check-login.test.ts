import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  checkIdentity,
  judgeClock,
  judgeLoginTime,
  judgeProtocol,
} from '../../../../src/admin/doctor/check-login.js';
import { updateElsewhere, updateHere } from '../../../../src/process/own-package.js';
import type { Hello } from '../../../../src/protocol/hello.js';
import { PROTOCOL_VERSION } from '../../../../src/protocol/names.js';
import { tempDir } from '../../../support/temp-dir.js';

const ASKED = Date.parse('2026-11-22T12:00:00.900Z');
const hello = (time: string): Hello => ({
  ...{ name: 'home-pc', role: 'agent', protocol: 2, time, task_ttl: '7d' },
  ...{ max_task_bytes: 1, max_answer_bytes: 1, features: [] },
});
const judge = (time: string, tookMs = 300) => judgeClock(hello(time), ASKED, ASKED + tookMs);

test('whole seconds and a slow answer are no difference', () => {
  expect(judge('2026-11-22T12:00:00Z').status).toBe('ok');
  expect(judge('2026-11-22T12:00:25Z', 30_000).status).toBe('ok');
});

test('seconds are a warning, more than the hooks take is broken, in both directions', () => {
  expect(judge('2026-11-22T12:00:41Z')).toMatchObject({
    status: 'warning',
    text: "the clock of the server is 40 s ahead of this machine's",
  });
  expect(judge('2026-11-22T11:59:00Z').text).toMatch(/60 s behind/);
  expect(judge('2026-11-22T12:11:00Z').status).toBe('broken');
  expect(judge('2026-11-22T11:00:00Z').status).toBe('broken');
});

test('of two versions the older is the one to update, and how fits the machine', () => {
  expect(judgeProtocol({ hello: hello('2026-11-22T12:00:00.000Z') }).status).toBe('ok');
  expect(judgeProtocol({ other: PROTOCOL_VERSION - 1 })).toMatchObject({
    status: 'broken',
    text: expect.stringContaining('the server has to be updated; tasks and finished answers are kept'),
    remedy: updateElsewhere('the server'),
  });
  expect(judgeProtocol({ other: PROTOCOL_VERSION + 1 })).toMatchObject({
    status: 'broken',
    text: expect.stringContaining('this machine has to be updated; tasks and finished answers are kept'),
    remedy: updateHere(),
  });
});

test('a login that takes long is said', () => {
  expect(judgeLoginTime(400).status).toBe('ok');
  expect(judgeLoginTime(61_000)).toMatchObject({ status: 'warning', text: 'a login takes 61 s' });
});

test('a key that ssh cannot use is said before anything is tried with it, with what mends it', async () => {
  const file = join(await tempDir(), 'key');
  await writeFile(file, 'PuTTY-User-Key-File-3: ssh-ed25519\n', { mode: 0o600 });
  expect(checkIdentity(file, {})).toMatchObject({
    ...{ status: 'broken', text: `${file} is a key of PuTTY (.ppk)` },
    remedy: expect.stringMatching(/^puttygen /),
  });
  expect(checkIdentity(join(file, 'none'), {})).toMatchObject({ status: 'broken' });
});
