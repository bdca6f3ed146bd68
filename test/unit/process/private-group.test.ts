import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { privateGroup } from '../../../src/process/private-group.js';
import { tempDir } from '../../support/temp-dir.js';

const { username, gid } = userInfo();

interface Said {
  readonly groups?: string;
  readonly users?: string;
  /** Null: there is no such file. */
  readonly sources?: string | null;
}

/** A system on which this is said of the group, of users and of where they come from. */
async function groupWhere({ groups = `${username}:x:${gid}:`, users = '', sources = null }: Said) {
  const dir = await tempDir();
  const files = { groups: join(dir, 'group'), users: join(dir, 'passwd'), sources: join(dir, 'sources') };
  await writeFile(files.groups, `first:x:7:${username}\n${groups}\nlast:x:8:\n`);
  await writeFile(files.users, `${username}:x:${userInfo().uid}:${gid}::/:/bin/sh\n${users}\n`);
  if (sources !== null) await writeFile(files.sources, sources);
  return privateGroup(files);
}

test.skipIf(process.platform === 'win32').each<[string, Said, number | null]>([
  ['has their name and no member', {}, gid],
  ['has their name, and names them as a member', { groups: `${username}:x:${gid}:${username}` }, gid],
  ['has another member', { groups: `${username}:x:${gid}:${username},other` }, null],
  ['has one member, who is another', { groups: `${username}:x:${gid}:other` }, null],
  ['has their name, and is not their primary one', { groups: `${username}:x:${gid + 1}:` }, null],
  ['has another name', { groups: `${username}s:x:${gid}:\nusers:x:${gid}:` }, null],
  ['has a second name', { groups: `${username}:x:${gid}:\nmore:x:${gid}:other` }, null],
  ['is the primary one of another user', { users: `other:x:4711:${gid}::/:/bin/sh` }, null],
  ['is of a user beside others with groups of their own', { users: 'other:x:4711:4711::/:/bin/sh' }, gid],
  [
    'stands in the files alone',
    { sources: 'passwd: files systemd\ngroup:\tfiles [SUCCESS=merge] systemd\nhosts: files dns\n' },
    gid,
  ],
  ['may have members that come from elsewhere', { sources: 'passwd: files\ngroup: files ldap\n' }, null],
  ['may be of users who come from elsewhere', { sources: 'passwd: files sss\ngroup: files\n' }, null],
])('a group that %s', async (_what, said, group) => {
  expect(await groupWhere(said)).toBe(group);
});

test('where the groups stand in no file, there is none', async () => {
  const none = join(await tempDir(), 'none');
  expect(privateGroup({ groups: none, users: none, sources: none })).toBeNull();
});
