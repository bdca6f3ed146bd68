import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Repository } from '../git/run-git.js';
import { readSmallFile, unless } from '../process/durable-file.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { writeSettings } from './apply-settings.js';

/**
 * Writes the config of a bridge again, as of its first day, where a power cut has emptied or damaged it. The
 * old file is kept aside, for what the owner had set in it. `bridge.version` is written last: until then the
 * bridge serves nobody.
 */
export async function restoreConfig(repo: Repository): Promise<void> {
  const file = path.join(repo.gitDir, 'config');
  await rename(file, `${file}.damaged-${Date.now()}`).catch(unless('ENOENT'));
  const isLong = hasLongIds(repo.gitDir);
  const core = `[core]\n\trepositoryformatversion = ${isLong ? 1 : 0}\n\tfilemode = true\n\tbare = true\n`;
  const more = isLong ? '[extensions]\n\tobjectformat = sha256\n' : '';
  await writeFile(file, `${core}${more}`, { mode: 0o640 });
  await writeSettings(repo, protocolOf(repo.gitDir));
}

/** The protocol of the bridge. The config that named it is lost, so it is read from the forced command. */
function protocolOf(gitDir: string): number {
  const text = readSmallFile(path.join(gitDir, 'bridge', 'ssh-command')) ?? '';
  const version = Number(/"protocol":([0-9]{1,4})/.exec(text)?.[1] ?? PROTOCOL_VERSION);
  return Math.min(version, PROTOCOL_VERSION);
}

/** Whether the ids are those of SHA-256, by what main is and was. */
function hasLongIds(gitDir: string): boolean {
  const names = ['refs/heads/main', 'packed-refs', 'logs/refs/heads/main', 'logs/HEAD'];
  const texts = names.map((name) => readSmallFile(path.join(gitDir, name)) ?? '');
  return texts.some((text) => /(?:^|\s)[0-9a-f]{64}(?:\s|$)/.test(text));
}
