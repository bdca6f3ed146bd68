import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeDurably } from './durable-file.js';
import { unless } from './log-file-system.js';

/** What a ref file and a line of packed-refs hold. */
const ID = '[0-9a-f]{40,64}';

/**
 * The refs under a prefix, by name, as `git for-each-ref` lists them, from the files that git keeps them in (not a reftable). The loose ones are read
 * first and win, as in git: `git pack-refs` packs a ref before it removes its file, so none is missed between the two.
 */
export async function listRefFiles(gitDir: string, prefix: string): Promise<{ ref: string; id: string }[]> {
  const loose = await readLoose(gitDir, prefix);
  const packed = await readFile(path.join(gitDir, 'packed-refs'), 'latin1').catch(unless('ENOENT'));
  const found = new Map(
    [...(packed ?? '').matchAll(new RegExp(`^(${ID}) (\\S+)$`, 'gm'))].flatMap(([, id = '', ref = '']) =>
      ref.startsWith(prefix) ? [[ref, id] as const] : [],
    ),
  );
  for (const [ref, id] of loose) found.set(ref, id);
  return [...found].map(([ref, id]) => ({ ref, id })).sort((a, b) => (a.ref < b.ref ? -1 : 1));
}

async function readLoose(gitDir: string, prefix: string): Promise<[ref: string, id: string][]> {
  const folder = path.join(gitDir, prefix);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(unless('ENOENT'));
  const refs = (entries ?? [])
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.lock'))
    .map((entry) => path.relative(gitDir, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
  const read = await Promise.all(
    refs.map(async (ref): Promise<[string, string][]> => {
      const id = await readRefFile(gitDir, ref);
      return id === null ? [] : [[ref, id]];
    }),
  );
  return read.flat();
}

/** What the file of a ref says; null where it has none (it may be packed), or one that names no object. */
export async function readRefFile(gitDir: string, ref: string): Promise<string | null> {
  const text = await readFile(path.join(gitDir, ref), 'latin1').catch(() => '');
  return new RegExp(`^(${ID})\n$`).exec(text)?.[1] ?? null;
}

/**
 * Points a ref at an object, whatever it was before, by git's own protocol: the lock is the file that becomes the ref. `locked` where
 * another process has it. It is on the disk when this resolves.
 */
export async function writeRefFile(gitDir: string, ref: string, id: string): Promise<'written' | 'locked'> {
  const file = path.join(gitDir, ref);
  await mkdir(path.dirname(file), { recursive: true });
  try {
    await writeDurably(file, `${file}.lock`, `${id}\n`, { bits: 0o666, whateverUmask: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'locked';
    throw error;
  }
  return 'written';
}
