import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deflateObject } from './deflate-object.js';
import type { NewObject } from './loose-object.js';
import { gitFailed, type ObjectIds, type Repository, runGit } from './run-git.js';

/** git's numbers of the types, as they stand in a pack. */
const TYPES: Readonly<Record<NewObject['type'], number>> = { commit: 1, tree: 2, blob: 3 };

/**
 * Writes objects as one pack, so that one file is synced instead of hundreds. The pack is on the disk when
 * this resolves, except in a disposable repository. git indexes it, and so checks it. Throws BridgeError as
 * gitFailed makes it.
 */
export async function writePack(
  repo: Repository,
  objects: readonly NewObject[],
  ids: ObjectIds,
): Promise<void> {
  const result = await runGit(repo, ['index-pack', '--stdin'], { input: await packOf(objects, ids) });
  if (result.exitCode !== 0) throw gitFailed(['index-pack'], result);
}

/** How many objects are deflated in one turn of the event loop, which takes some milliseconds. */
const OBJECTS_A_TURN = 64;

/** The bytes of a pack of these objects, each of them whole (git's `Documentation/gitformat-pack.txt`). */
export async function packOf(objects: readonly NewObject[], ids: ObjectIds): Promise<Buffer> {
  const head = Buffer.alloc(12);
  head.write('PACK', 'latin1');
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(objects.length, 8);
  const entries: Buffer[] = [];
  for (let at = 0; at < objects.length; at += OBJECTS_A_TURN) {
    // The other work of this process gets its turn.
    if (at > 0) await nextTurn();
    const part = objects.slice(at, at + OBJECTS_A_TURN);
    const made = await Promise.all(
      part.map(async ({ type, content }) => [
        entryHead(TYPES[type], content.length),
        await deflateObject(content),
      ]),
    );
    entries.push(...made.flat());
  }
  const pack = Buffer.concat([head, ...entries]);
  return Buffer.concat([pack, createHash(ids).update(pack).digest()]);
}

/**
 * Type and size: four bits of the size beside the type, then seven in each byte. The high bit says that
 * another byte follows.
 */
function entryHead(type: number, size: number): Buffer {
  const bytes = [(type << 4) | (size & 0x0f)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(rest & 0x7f);
  }
  return Buffer.from(bytes);
}
