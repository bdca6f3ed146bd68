import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { DISK, syncFolder, unless, writeDurably } from '../../process/durable-file.js';
import { GROUP_MODES } from '../../process/group-files.js';

/**
 * A pack that the upkeep made, and what it was made from: lines for `git pack-objects`, an id each, and for
 * a message the name under which it is packed. The list stands in `bridge/upkeep`, so that a later upkeep
 * can put packs together without reading their messages again. The pack has a `.keep`, so that `git gc`
 * leaves it.
 */
export interface NamedPack {
  /** `pack-<hash>`. */
  readonly name: string;
  readonly bytes: number;
}

/** A pack of this size stays as it is, and needs no list. The same as `gc.bigPackThreshold`. */
const FINAL_BYTES = 64 * 1024 * 1024;

const PACK_NAME = /^pack-[0-9a-f]{40,64}$/;

const MODE = { ...GROUP_MODES, whateverUmask: true };

const KEEP_TEXT = 'llm-bridge: packed under the names of its conversations\n';

/** The folder of the upkeep in a bridge. */
export function upkeepFolder(gitDir: string): string {
  return path.join(gitDir, 'bridge', 'upkeep');
}

/** Lists the packs that can be put together with others, the smallest first. */
export async function listNamedPacks(gitDir: string): Promise<NamedPack[]> {
  const names = await readdir(upkeepFolder(gitDir)).catch(unless('ENOENT'));
  const packs: NamedPack[] = [];
  for (const file of names ?? []) {
    const name = file.replace(/\.list$/, '');
    if (name === file || !PACK_NAME.test(name)) continue;
    // What an upkeep that was killed had begun to remove: everything in it is in another pack.
    if (!(await isPack(gitDir, name))) await removeNamedPack(gitDir, name);
    else packs.push({ name, bytes: (await stat(inPacks(gitDir, `${name}.pack`))).size });
  }
  return packs.sort((a, b) => a.bytes - b.bytes);
}

/** The lines that a pack was made from. */
export function readPackList(gitDir: string, name: string): Promise<string> {
  return readFile(listOf(gitDir, name), 'utf8');
}

/**
 * Moves a pack that git has just written in the folder `from` among the named ones. Returns once it is on
 * the disk, name and all: only then may its loose objects be removed. The index is moved last, because git
 * does not use a pack without one. A pack without its `.keep` counts as git's own, so after a crash here a
 * gc only puts it together with others.
 */
export async function keepNamedPack(
  gitDir: string,
  { name, from, list }: { readonly name: string; readonly from: string; readonly list: string },
): Promise<NamedPack> {
  const files = (await readdir(from)).filter((file) => file.startsWith(`${name}.`));
  for (const file of files.toSorted((a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx'))))
    await rename(path.join(from, file), inPacks(gitDir, file));
  const { size } = await stat(inPacks(gitDir, `${name}.pack`));
  if (size < FINAL_BYTES) await writeNote(listOf(gitDir, name), list);
  await writeFile(inPacks(gitDir, `${name}.keep`), KEEP_TEXT, { mode: GROUP_MODES.file });
  await syncFolder(DISK, path.join(gitDir, 'objects', 'pack'));
  return { name, bytes: size };
}

/**
 * Writes a file of the upkeep durably. What a killed upkeep has left of it is removed: the one that runs
 * holds the lock.
 */
export async function writeNote(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  await rm(temporary, { force: true });
  await writeDurably({ file, temporary, bytes: Buffer.from(text), mode: MODE });
}

/** Packs that go because all that is in them is in the pack `by`. */
const removalSchema = z.object({ by: z.string(), names: z.array(z.string().regex(PACK_NAME)) });

/**
 * Removes packs whose objects are all in the pack `by`, which is on the disk. The removal is noted first, so
 * that it is ended after a kill: some that are left may be too large to be put together with small ones
 * soon.
 */
export async function removeNamedPacks(gitDir: string, by: string, names: readonly string[]): Promise<void> {
  await writeNote(removalOf(gitDir), `${JSON.stringify({ by, names })}\n`);
  await endRemoval(gitDir);
}

/** Ends the removal that a killed upkeep had begun. */
export async function endRemoval(gitDir: string): Promise<void> {
  const text = await readFile(removalOf(gitDir), 'utf8').catch(unless('ENOENT'));
  if (text === null) return;
  const removal = removalSchema.safeParse(jsonOf(text)).data;
  if (removal !== undefined && (await isPack(gitDir, removal.by)))
    for (const name of removal.names) await removeNamedPack(gitDir, name);
  await rm(removalOf(gitDir), { force: true });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function isPack(gitDir: string, name: string): Promise<boolean> {
  for (const ending of ['pack', 'idx'])
    if ((await stat(inPacks(gitDir, `${name}.${ending}`)).catch(unless('ENOENT'))) === null) return false;
  return true;
}

/**
 * Removes a pack whose objects are all in another. The index goes before the pack: git does not use a pack
 * without one, and looks again for the objects that it misses. The list goes last, so that a kill in between
 * is seen.
 */
async function removeNamedPack(gitDir: string, name: string): Promise<void> {
  for (const ending of ['keep', 'idx', 'rev', 'bitmap', 'pack'])
    await rm(inPacks(gitDir, `${name}.${ending}`), { force: true });
  await rm(listOf(gitDir, name), { force: true });
}

function inPacks(gitDir: string, file: string): string {
  return path.join(gitDir, 'objects', 'pack', file);
}

function removalOf(gitDir: string): string {
  return path.join(upkeepFolder(gitDir), 'removal.json');
}

function listOf(gitDir: string, name: string): string {
  return path.join(upkeepFolder(gitDir), `${name}.list`);
}
