/** The settings of sshd by their keywords in lower case, as `sshd -T` prints them. */
export function parseSshd(said: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of said.split('\n')) {
    const space = line.indexOf(' ');
    if (space < 0) continue;
    const name = line.slice(0, space);
    // A list is printed in several lines.
    const before = fields.get(name);
    const value = line.slice(space + 1).trim();
    fields.set(name, before === undefined || name === 'port' ? value : `${before} ${value}`);
  }
  return fields;
}

/** Why sshd would not let a user in by a key, and what to do; null where nothing speaks against it. */
export function sshdHint(sshd: ReadonlyMap<string, string>, user: string): string | null {
  if (sshd.get('pubkeyauthentication') === 'no') return 'sshd takes no keys: set "PubkeyAuthentication yes"';
  const users = wordsOf(sshd.get('allowusers'));
  const patterns = users.map((one) => one.split('@', 1)[0] ?? '');
  if (users.length > 0 && !patterns.includes(user) && !patterns.some((one) => /[*?]/.test(one)))
    return `sshd lets in nobody but ${users.join(', ')}: add ${user} to AllowUsers (grep -rwi AllowUsers /etc/ssh says where), and reload sshd`;
  const groups = wordsOf(sshd.get('allowgroups'));
  if (groups.length > 0 && !groups.includes(user))
    return `sshd lets in the groups ${groups.join(', ')} alone: add ${user} to one of them, or to AllowGroups`;
  return null;
}

function wordsOf(list: string | undefined): string[] {
  return (list ?? '').split(/\s+/).filter((word) => word !== '');
}
