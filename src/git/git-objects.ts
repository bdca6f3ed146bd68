/** Type and size of an object, known before it is read. */
export interface ObjectInfo {
  readonly id: string;
  readonly type: 'blob' | 'tree' | 'commit' | 'tag';
  readonly size: number;
}

/** One entry of a tree object. `mode` is octal as written in the object: `100644`, `40000`. */
export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
  /** Hex. */
  readonly id: string;
}

/** Parses a raw tree object. Throws RangeError where the bytes are no tree. */
export function parseTree(raw: Buffer, idBytes: number): TreeEntry[] {
  const entries: TreeEntry[] = [];
  let at = 0;
  while (at < raw.length) {
    const space = raw.indexOf(0x20, at);
    const nul = raw.indexOf(0, space);
    if (space < 0 || nul < 0 || nul + 1 + idBytes > raw.length) throw new RangeError('not a tree object');
    entries.push({
      mode: raw.toString('latin1', at, space),
      // latin1 keeps every byte, so an odd name written back is the same name.
      name: raw.toString('latin1', space + 1, nul),
      id: raw.toString('hex', nul + 1, nul + 1 + idBytes),
    });
    at = nul + 1 + idBytes;
  }
  return entries;
}

/**
 * The raw tree `raw` with the file `name` (ASCII) set to the blob `blobId`, mode 100644. This is the only
 * rule for the tree of a message's commit: writers build by it, and the hook compares with it.
 */
export function replaceTreeFile(raw: Buffer, name: string, blobId: string): Buffer {
  const others = parseTree(raw, blobId.length / 2).filter((entry) => entry.name !== name);
  const entries = [...others, { mode: '100644', name, id: blobId }];
  entries.sort((a, b) => Buffer.compare(sortKey(a), sortKey(b)));
  return Buffer.concat(
    entries.flatMap((entry) => [
      Buffer.from(`${entry.mode} ${entry.name}\0`, 'latin1'),
      Buffer.from(entry.id, 'hex'),
    ]),
  );
}

/** git sorts a folder as if its name ended in a slash. */
function sortKey(entry: TreeEntry): Buffer {
  return Buffer.from(entry.mode === '40000' ? `${entry.name}/` : entry.name, 'latin1');
}

/** The tree of a raw commit object; null where the bytes are no commit. */
export function treeOfCommit(raw: Buffer): string | null {
  return /^tree ([0-9a-f]{40,64})\n/.exec(raw.toString('latin1', 0, 80))?.[1] ?? null;
}

/** The parents that a raw commit object names in its headers. */
export function parentsOfCommit(raw: Buffer): string[] {
  const end = raw.indexOf('\n\n');
  const headers = raw.toString('latin1', 0, end + 1);
  return [...headers.matchAll(/^parent ([0-9a-f]+)$/gm)].map((match) => match[1] ?? '');
}

/** The author of a commit. */
export interface CommitIdentity {
  /** A principal's name, or another name without `<`, `>`, and line breaks. */
  readonly name: string;
  /** Milliseconds since the epoch; a commit keeps whole seconds. */
  readonly atMs: number;
}

/**
 * The raw bytes of a commit: only the plain headers, author equal to committer, dates in UTC, message in
 * UTF-8.
 */
export function formatCommit(commit: {
  readonly tree: string;
  readonly parent: string;
  readonly by: CommitIdentity;
  readonly message: string;
}): Buffer {
  const who = `${commit.by.name} <${emailOf(commit.by.name)}> ${Math.floor(commit.by.atMs / 1000)} +0000`;
  return Buffer.from(
    `tree ${commit.tree}\nparent ${commit.parent}\nauthor ${who}\ncommitter ${who}\n\n${commit.message}`,
    'utf8',
  );
}

/** The address next to a name in a commit. It receives no mail: `.invalid` is reserved by RFC 2606. */
export function emailOf(name: string): string {
  return `${name}@llm-bridge.invalid`;
}
