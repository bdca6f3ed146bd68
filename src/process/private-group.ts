import { readFileSync } from 'node:fs';
import os from 'node:os';

// biome-ignore lint/plugin: Windows has no such file, and so no such group
const GROUPS = '/etc/group';

/**
 * The id of the group that is this user's alone: their primary group, with their name and no other member.
 * Debian and Ubuntu give each user one, and a umask of 002, so what such a user installs can be written by
 * that group. Null where there is none, and where the groups stand in no file (macOS).
 */
export function privateGroup(groupFile = GROUPS): number | null {
  try {
    const { username, gid } = os.userInfo();
    const groups = readFileSync(groupFile, 'utf8').split('\n');
    const [name, , id, members] = groups.find((one) => one.startsWith(`${username}:`))?.split(':') ?? [];
    const isMine = name === username && id === String(gid) && (members === '' || members === username);
    return isMine ? gid : null;
  } catch {
    // No such file, or a user without a name.
    return null;
  }
}
