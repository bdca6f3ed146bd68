import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { gitText, type Repository, runGit } from '../../git/run-git.js';
import { unless } from '../../process/durable-file.js';
import { tryFileLock } from '../../process/file-lock.js';
import { makeGroupFolder } from '../../process/group-files.js';
import { countLoose, isWorthPacking } from './loose-objects.js';
import { upkeepFolder, writeNote } from './named-packs.js';
import { mergeNamedPacks, packMessages } from './pack-messages.js';

/** How far the upkeep came. Losing it costs some work, and nothing else. */
const stateSchema = z.object({
  /** The commit of main up to which every message is in a named pack. */
  packed: z.string().nullable(),
  /** The loose objects that were left: nothing on main needs them, and a gc drops them after an hour. */
  left: z.object({ files: z.number(), bytes: z.number() }),
});
type UpkeepState = z.infer<typeof stateSchema>;

/** Room for a push of the largest message, with what git needs beside it. */
const SPARE_BYTES = 16 * 1024 * 1024;

const NOTHING_DONE: UpkeepState = { packed: null, left: { files: 0, bytes: 0 } };

/**
 * Packs what pushes left loose, where that is worth it, one upkeep at a time. No push waits for it, and a
 * kill at any moment loses nothing:
 * 1. The messages since the last time go into a pack, under the names of their conversations. It is on the
 *    disk before anything else goes.
 * 2. What is now packed is removed where it lies loose.
 * 3. `git gc` does the rest: packs of pushes, reflogs, the commit graph, what nothing needs any more.
 * 4. Named packs of like size are put together.
 * `now`: however little there is. Returns whether anything was done. Throws BridgeError as git does.
 */
export async function keepUp(repo: Repository, { now = false } = {}): Promise<boolean> {
  const folder = upkeepFolder(repo.gitDir);
  await makeGroupFolder(folder);
  const result = await tryFileLock(path.join(folder, 'lock'), async () => {
    const state = await readState(folder);
    const loose = countLoose(repo.gitDir);
    if (!now && !isWorthPacking(loose, state.left)) return false;
    // What is packed goes only when the pack is there.
    if (!(await hasRoomFor(repo.gitDir, loose.bytes))) return false;
    const packed = await packMessages(repo, state.packed);
    await writeState(folder, { ...state, packed });
    await gitText(repo, ['prune-packed', '--quiet']);
    // It may fail: another gc may be running, or the lock of a killed one is in its way, and then
    // post-receive starts the repair. A gc that finds the disk full leaves its unfinished packs there, and
    // the next one fails before it removes them. So there has to be room for the packs that it writes again.
    if (await hasRoomFor(repo.gitDir, await bytesOfPacks(repo.gitDir))) await runGit(repo, ['gc', '--quiet']);
    await mergeNamedPacks(repo);
    await writeState(folder, { packed, left: countLoose(repo.gitDir) });
    return true;
  });
  return result.held && result.value;
}

/** Whether there is room for this many bytes more, and for the pushes that come meanwhile. */
async function hasRoomFor(gitDir: string, bytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(path.join(gitDir, 'objects'));
  return bavail * bsize > bytes + SPARE_BYTES;
}

/** The bytes of the packs that a gc may write again: those without a `.keep`. */
async function bytesOfPacks(gitDir: string): Promise<number> {
  const folder = path.join(gitDir, 'objects', 'pack');
  const names = new Set(await readdir(folder));
  const packs = [...names].filter((one) => one.endsWith('.pack') && !names.has(one.replace(/pack$/, 'keep')));
  const stats = await Promise.all(packs.map((one) => stat(path.join(folder, one)).catch(unless('ENOENT'))));
  return stats.reduce((sum, one) => sum + (one?.size ?? 0), 0);
}

async function readState(folder: string): Promise<UpkeepState> {
  const text = await readFile(path.join(folder, 'state.json'), 'utf8').catch(unless('ENOENT'));
  try {
    return stateSchema.parse(JSON.parse(text ?? ''));
  } catch {
    return NOTHING_DONE;
  }
}

function writeState(folder: string, state: UpkeepState): Promise<void> {
  return writeNote(path.join(folder, 'state.json'), `${JSON.stringify(state)}\n`);
}
