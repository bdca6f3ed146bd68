import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { privateGroup } from '../../../src/process/private-group.js';
import { tempDir } from '../../support/temp-dir.js';

const { username, gid } = userInfo();

test.skipIf(process.platform === 'win32').each([
  ['has their name and no member', `${username}:x:${gid}:`, gid],
  ['has their name, and names them as a member', `${username}:x:${gid}:${username}`, gid],
  ['has another member', `${username}:x:${gid}:${username},other`, null],
  ['has one member, who is another', `${username}:x:${gid}:other`, null],
  ['has their name, and is not their primary one', `${username}:x:${gid + 1}:`, null],
  ['has another name', `${username}s:x:${gid}:\nusers:x:${gid}:`, null],
])('a group that %s: %s', async (_what, line, group) => {
  const file = join(await tempDir(), 'group');
  await writeFile(file, `first:x:7:${username}\n${line}\nlast:x:8:\n`);
  expect(privateGroup(file)).toBe(group);
});

test('where the groups stand in no file, there is none', async () => {
  expect(privateGroup(join(await tempDir(), 'none'))).toBeNull();
});
