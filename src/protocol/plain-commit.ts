import { MAX_COMMIT_BYTES } from './limits.js';
import { stripControls } from './printable.js';
import { type ReadResult, readUtf8 } from './strict-json.js';

/** A person in a commit header: name, address and time, as the header has them. */
export interface PlainIdentity {
  readonly name: string;
  readonly email: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** A commit that has only the plain headers. */
export interface PlainCommit {
  readonly tree: string;
  readonly parent: string;
  readonly author: PlainIdentity;
  readonly committer: PlainIdentity;
  readonly message: string;
}

const ID = '([0-9a-f]{40}|[0-9a-f]{64})';
const IDENTITY = '([^<>\\n]{1,128}) <([^<>\\n]{0,254})> ([0-9]{1,12}) [+-][0-9]{4}';
const PLAIN = new RegExp(
  `^tree ${ID}\\nparent ${ID}\\nauthor ${IDENTITY}\\ncommitter ${IDENTITY}\\n\\n([^]*)$`,
  // Lengths count code points.
  'u',
);

/**
 * Reads the raw bytes of a commit strictly: at most MAX_COMMIT_BYTES; `tree`, one `parent`, `author`,
 * `committer`, in this order and nothing else; valid UTF-8; no control characters but line breaks and tabs,
 * and no bidi marks. The reason for a refusal is worded to follow the id of the commit.
 */
export function readPlainCommit(raw: Uint8Array): ReadResult<PlainCommit> {
  if (raw.length > MAX_COMMIT_BYTES)
    return { ok: false, reason: `has ${raw.length} bytes; the limit is ${MAX_COMMIT_BYTES}` };
  const text = readUtf8(raw);
  if (!text.ok) return text;
  const match = PLAIN.exec(text.value);
  if (match === null) {
    return { ok: false, reason: 'has headers besides one each of tree, parent, author and committer' };
  }
  if (stripControls(text.value) !== text.value) {
    return { ok: false, reason: 'has control characters in its message or in a name' };
  }
  const [, tree = '', parent = '', ...rest] = match;
  const [author, committer] = [identityOf(rest.slice(0, 3)), identityOf(rest.slice(3, 6))];
  return { ok: true, value: { tree, parent, author, committer, message: rest[6] ?? '' } };
}

function identityOf([name = '', email = '', seconds = '']: readonly string[]): PlainIdentity {
  return { name, email, atMs: Number(seconds) * 1000 };
}
