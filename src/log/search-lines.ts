import type { FileHandle } from 'node:fs/promises';

/** How much is read at a time. One record is usually far smaller. */
const BLOCK_BYTES = 64 * 1024;

/** A record and its position. */
export interface FoundRecord<T> {
  readonly record: T;
  /** The offset after its line break. */
  readonly end: number;
}

/**
 * Finds records in a file of lines by binary search, so that the length of the file costs almost nothing.
 */
export interface LineSearch<T> {
  /**
   * The first record that begins at or after `offset`, which is the start of a line; null where there is
   * none.
   */
  recordAt(offset: number): Promise<FoundRecord<T> | null>;
  /** The first record for which `wanted` is true. `wanted` must also be true for all records after it. */
  firstThat(wanted: (record: T) => boolean): Promise<FoundRecord<T> | null>;
}

/**
 * Opens a search in the first `size` bytes. `parse` returns null for a line that is not
 * a record; such lines are skipped.
 */
export function openSearch<T>(
  handle: FileHandle,
  size: number,
  parse: (line: string) => T | null,
): LineSearch<T> {
  async function recordAt(offset: number): Promise<FoundRecord<T> | null> {
    for (let start = offset; start < size; ) {
      const bytes = await readLine(handle, start, size);
      if (bytes === null) return null;
      const end = start + bytes.length + 1;
      const record = parse(bytes.toString('utf8'));
      if (record !== null) return { record, end };
      start = end;
    }
    return null;
  }

  return {
    recordAt,
    async firstThat(wanted) {
      // No wanted record begins before `low`. All records at or after `high`, the start of a line, are
      // wanted.
      let low = 0;
      let high = size;
      let best: FoundRecord<T> | null = null;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const start = middle === 0 ? 0 : await nextLine(handle, middle - 1, size);
        const found = start < high ? await recordAt(start) : null;
        if (found === null) high = middle;
        else if (wanted(found.record)) {
          best = found;
          high = middle;
        } else low = found.end;
      }
      return best;
    },
  };
}

/** The start of the first line that begins after `offset`; `size` where there is none. */
async function nextLine(handle: FileHandle, offset: number, size: number): Promise<number> {
  const rest = await readLine(handle, offset, size);
  return rest === null ? size : offset + rest.length + 1;
}

/** The bytes from `start` up to the next line break; null where there is no line break. */
async function readLine(handle: FileHandle, start: number, size: number): Promise<Buffer | null> {
  const blocks: Buffer[] = [];
  for (let at = start; at < size; ) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, size - at));
    const { bytesRead } = await handle.read(block, 0, block.length, at);
    if (bytesRead === 0) return null;
    const read = block.subarray(0, bytesRead);
    const end = read.indexOf(0x0a);
    blocks.push(end < 0 ? read : read.subarray(0, end));
    if (end >= 0) return Buffer.concat(blocks);
    at += bytesRead;
  }
  return null;
}
