import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';

/** The objects of a push as they lie in quarantine. */
export interface IncomingObjects {
  /** Loose files. Each is new, because git writes no object that it has. */
  readonly loose: readonly string[];
  /**
   * Objects in packs. Where git completed a thin pack, these include the bases that it copied in from what
   * was here.
   */
  readonly packed: readonly string[];
}

/** The start of a pack index of version 2. Eight bytes, 256 counts of four bytes, then the ids in order. */
const INDEX_MAGIC = 'ff744f6300000002';
const INDEX_IDS_AT = 8 + 256 * 4;

/**
 * Lists the objects in the quarantine of the running hook by reading its folders, which is cheaper than
 * asking git. The lists are empty where there is no quarantine. Null where there are more than `max`
 * objects, or a file that is not a git object.
 */
export async function listIncoming(
  context: { readonly gitDir: string; readonly env: NodeJS.ProcessEnv; readonly idBytes: number },
  max: number,
): Promise<IncomingObjects | null> {
  const quarantine = context.env.GIT_QUARANTINE_PATH;
  if (quarantine === undefined) return { loose: [], packed: [] };
  const root = path.resolve(context.gitDir, quarantine);
  const loose: string[] = [];
  const packed: string[] = [];
  for (const folder of readdirSync(root)) {
    const names = readdirSync(path.join(root, folder));
    if (/^[0-9a-f]{2}$/.test(folder)) loose.push(...names.map((name) => folder + name));
    else if (folder !== 'pack') return null;
    else {
      for (const name of names) {
        if (!/^pack-[0-9a-f]+\.(?:pack|idx|rev|keep)$/.test(name)) return null;
        if (!name.endsWith('.idx')) continue;
        const ids = await readIndex(path.join(root, folder, name), context.idBytes, max);
        if (ids === null) return null;
        packed.push(...ids);
      }
    }
    if (loose.length + packed.length > max) return null;
  }
  const isId = (id: string) => id.length === 2 * context.idBytes && /^[0-9a-f]+$/.test(id);
  return loose.every(isId) ? { loose, packed } : null;
}

async function readIndex(file: string, idBytes: number, max: number): Promise<string[] | null> {
  const handle = await open(file, 'r');
  try {
    const head = Buffer.alloc(INDEX_IDS_AT);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    if (bytesRead < head.length || head.toString('hex', 0, 8) !== INDEX_MAGIC) return null;
    const count = head.readUInt32BE(INDEX_IDS_AT - 4);
    if (count > max) return null;
    const ids = Buffer.alloc(count * idBytes);
    const body = await handle.read(ids, 0, ids.length, INDEX_IDS_AT);
    if (body.bytesRead < ids.length) return null;
    return Array.from({ length: count }, (_, at) => ids.toString('hex', at * idBytes, (at + 1) * idBytes));
  } finally {
    await handle.close();
  }
}
