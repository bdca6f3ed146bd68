import path from 'node:path';
import { type LogFileSystem, syncFolder } from '../process/durable-file.js';
import type { Repository } from './run-git.js';

/** So many folders are synced at the same time. */
const MAX_OPEN = 16;

/**
 * Makes everything that `main` is made of now survive a power cut. git with `core.fsync=all`, which `init` sets, syncs the
 * content of every object, pack and ref before it gives it its name; it never syncs the folders those names stand in. On ext4 and XFS
 * the next fsync of any file takes them along, elsewhere (btrfs) it does not, so this does. Costs a few milliseconds
 * where nothing is dirty.
 *
 * `ids` names the loose objects that came since the last time, where they are known: two or three folders instead of all 256, which is
 * most of what a push would wait for here. Packs, refs and the folders above are synced in any case.
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
    // packed-refs stands here.
    repo.gitDir,
  ];
  for (let at = 0; at < folders.length; at += MAX_OPEN) {
    const some = folders.slice(at, at + MAX_OPEN).map((folder) => syncFolder(fs, folder));
    // All of them have ended before one that failed is told.
    const failed = (await Promise.allSettled(some)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
