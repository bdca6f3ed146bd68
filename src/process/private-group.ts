import { readFileSync } from 'node:fs';
import os from 'node:os';

// biome-ignore lint/plugin: Windows has no such folder, and so no such group
const ETC = '/etc';

/** Where a system says who its users and groups are. */
const FILES = { groups: `${ETC}/group`, users: `${ETC}/passwd`, sources: `${ETC}/nsswitch.conf` };

/** Sources of users and groups with nobody but those of the files, and what systemd makes up itself. */
const LOCAL = /^(?:files|systemd|\[.*\])$/;

/**
 * The id of the group that is this user's alone: their primary group, with their name, no other member, and
 * nobody else's primary group. Debian and Ubuntu give each user one, and a umask of 002, so what such a user
 * installs can be written by that group. Null where there is none, where the groups stand in no file
 * (macOS), and where users or groups come from elsewhere too (LDAP): nobody can tell then who else is in it.
 */
export function privateGroup(files: typeof FILES = FILES): number | null {
  try {
    const { username, gid } = os.userInfo();
    const ofGid = rowsOf(files.groups).filter(([, , id]) => id === String(gid));
    const [name, , , members] = ofGid[0] ?? [];
    const isMine = name === username && (members === '' || members === username);
    const isShared = rowsOf(files.users).some(([user, , , id]) => user !== username && id === String(gid));
    return isMine && ofGid.length === 1 && !isShared && areLocal(files.sources) ? gid : null;
  } catch {
    // No such file, or a user without a name.
    return null;
  }
}

function rowsOf(file: string): string[][] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
}

/** Whether all users and groups are in the files. A system without this file (musl) has no other source. */
function areLocal(file: string): boolean {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
  const sources = text
    .split('\n')
    .filter((line) => /^\s*(?:passwd|group|initgroups):/.test(line))
    .flatMap((line) => line.replace(/#.*/, '').split(':')[1]?.trim().split(/\s+/) ?? []);
  return sources.every((source) => LOCAL.test(source));
}
