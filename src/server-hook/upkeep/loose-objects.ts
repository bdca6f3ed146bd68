import { statSync } from 'node:fs';
import path from 'node:path';
import { namesIn } from '../../process/durable-file.js';

/** Loose objects: files, and their bytes on the disk. */
export interface LooseObjects {
  readonly files: number;
  readonly bytes: number;
}

/**
 * How many loose objects start the upkeep: fewer than the 6700 at which `git gc --auto` would pack them,
 * without their names.
 */
const MANY_FILES = 5_000;

/** And how many bytes of them: eight photos, or some hundred turns of long conversations. */
const MANY_BYTES = 64 * 1024 * 1024;

const FOLDERS = Array.from({ length: 256 }, (_, at) => at.toString(16).padStart(2, '0'));

/** How many folders are looked at after a push: that takes less than a millisecond. */
const SAMPLE = 4;

/** Counts all loose objects of a repository. A file that goes away meanwhile is not counted. */
export function countLoose(gitDir: string, folders: readonly string[] = FOLDERS): LooseObjects {
  let files = 0;
  let bytes = 0;
  for (const folder of folders) {
    const at = path.join(gitDir, 'objects', folder);
    for (const name of namesIn(at)) {
      const size = statSync(path.join(at, name), { throwIfNoEntry: false })?.size;
      if (size === undefined) continue;
      files += 1;
      bytes += size;
    }
  }
  return { files, bytes };
}

/**
 * Estimates the same from a few folders, because ids are spread evenly. Each push takes other folders, so
 * large objects that one sample misses are in the sample of another push.
 */
export function estimateLoose(gitDir: string, random: () => number = Math.random): LooseObjects {
  const first = Math.floor(random() * FOLDERS.length);
  const folders = Array.from(
    { length: SAMPLE },
    (_, at) => FOLDERS[(first + at * 67) % FOLDERS.length] ?? '00',
  );
  const { files, bytes } = countLoose(gitDir, folders);
  return { files: (files * FOLDERS.length) / SAMPLE, bytes: (bytes * FOLDERS.length) / SAMPLE };
}

/** Whether there is enough to pack, beside what an upkeep has `left` because nothing on main needs it. */
export function isWorthPacking(now: LooseObjects, left: LooseObjects = { files: 0, bytes: 0 }): boolean {
  return now.files - left.files >= MANY_FILES || now.bytes - left.bytes >= MANY_BYTES;
}
