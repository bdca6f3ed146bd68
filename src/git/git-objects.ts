/** What is known of an object before it is read. */
export interface ObjectInfo {
  readonly id: string;
  readonly type: 'blob' | 'tree' | 'commit' | 'tag';
  readonly size: number;
}

/** One entry of a tree object. `mode` is octal as the object spells it: `100644`, `40000`. */
export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
  /** Hex. */
  readonly id: string;
}

/** Reads a raw tree object. Throws RangeError where the bytes are none. */
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
 * The raw tree that is `raw` with the file `name` (ASCII) set to the blob `blobId`, mode 100644. The one rule for what a
 * message's commit may look like: writers build by it, the hook compares by it.
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

/** The tree of a raw commit object; null where the bytes are none. */
export function treeOfCommit(raw: Buffer): string | null {
  return /^tree ([0-9a-f]{40,64})\n/.exec(raw.toString('latin1', 0, 80))?.[1] ?? null;
}

/** A commit that says what it says in one way only: as formatCommit writes it, or as `git commit` does. */
export interface PlainCommit {
  readonly tree: string;
  readonly parent: string;
  readonly author: string;
  /** The committer's date, milliseconds since the epoch. */
  readonly committedAtMs: number;
  readonly subject: string;
  /** By their names in lower case, because git does not tell `Task` from `task`. */
  readonly trailers: ReadonlyMap<string, string>;
}

/** A word or several, with nothing but a word at either end. */
const WORDS = String.raw`\S(?:[^\n]*\S)?`;
const PERSON = String.raw`([^\s<>](?:[^<>\n]*[^\s<>])?) <[^<>\n]*> (0|[1-9][0-9]{0,11}) [+-][0-9]{4}`;
const TRAILER = String.raw`([A-Za-z][A-Za-z0-9-]*): (${WORDS})\n`;
const PLAIN_COMMIT = new RegExp(
  String.raw`^tree ([0-9a-f]{40,64})\nparent ([0-9a-f]{40,64})\nauthor ${PERSON}\ncommitter ${PERSON}\n\n(${WORDS})\n(?:\n((?:${TRAILER})+))?$`,
);

/** git takes nothing below a line with this for a trailer, also where that line is the subject. */
const SCISSORS = '------------------------ >8 ------------------------';

/**
 * Reads a raw commit with one parent, no further headers, and a message of one line and trailers at most, no name twice. Null
 * where it is anything else: then it takes git to say what its message means.
 */
export function parsePlainCommit(raw: Buffer): PlainCommit | null {
  const text = raw.toString('utf8');
  const match = text.includes('\0') || text.includes(SCISSORS) ? null : PLAIN_COMMIT.exec(text);
  if (match === null) return null;
  const [, tree = '', parent = '', author = '', , , seconds = '', subject = '', lines = ''] = match;
  const found = [...lines.matchAll(new RegExp(TRAILER, 'gy'))].map(
    ([, name = '', value = '']) => [name.toLowerCase(), value] as const,
  );
  const trailers = new Map(found);
  if (trailers.size !== found.length) return null;
  return { tree, parent, author, committedAtMs: Number(seconds) * 1000, subject, trailers };
}

/** Who a commit is by. */
export interface CommitIdentity {
  /** A principal's name, or another name without `<`, `>`, and line breaks. */
  readonly name: string;
  /** Milliseconds since the epoch; a commit keeps whole seconds. */
  readonly atMs: number;
}

/** The raw bytes of a commit: the plain headers, author and committer the same, dates in UTC, message in UTF-8. */
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

/** The address that stands beside a name in a commit. It receives nothing: `.invalid` is reserved by RFC 2606. */
export function emailOf(name: string): string {
  return `${name}@llm-bridge.invalid`;
}
