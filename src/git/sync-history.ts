import path from 'node:path';
import { type LogFileSystem, syncFolder } from '../process/durable-file.js';
import type { Repository } from './run-git.js';

/** The most folders that are synced at the same time. */
const MAX_OPEN = 16;

/**
 * Makes everything that `main` consists of now survive a power cut. git with `core.fsync=all`, which `init`
 * sets, syncs the content of every object, pack and ref before it renames the file; it never syncs the
 * folders with those names. On ext4 and XFS the next fsync of any file writes the names too; elsewhere
 * (btrfs) it does not, so this function syncs the folders. Costs a few milliseconds where nothing is dirty.
 *
 * `ids` names the loose objects since the last call, where they are known. Then two or three folders are
 * synced instead of all 256, which is most of what a push would wait for here. Packs, refs and the folders
 * above are always synced.
 */
export async function syncHistory(
  fs: LogFileSystem,
  repo: Repository,
  ids?: readonly string[],
): Promise<void> {
  const objects = path.join(repo.gitDir, 'objects');
  const fanOut =
    ids === undefined
      ? (await fs.readdir(objects)).filter((name) => /^[0-9a-f]{2}$/.test(name))
      : new Set(ids.map((id) => id.slice(0, 2)));
  const folders = [
    ...[...fanOut].map((name) => path.join(objects, name)),
    path.join(objects, 'pack'),
    objects,
    path.join(repo.gitDir, 'refs', 'heads'),
    path.join(repo.gitDir, 'refs'),
    // This folder holds packed-refs.
    repo.gitDir,
  ];
  for (let at = 0; at < folders.length; at += MAX_OPEN) {
    const some = folders.slice(at, at + MAX_OPEN).map((folder) => syncFolder(fs, folder));
    // All of them end before a failure is thrown.
    const failed = (await Promise.allSettled(some)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
