/** A pkt-line: four hex digits of length, then the bytes. `null` is the flush packet `0000`. */
export function pktLine(data: string | Buffer | null): Buffer {
  if (data === null) return Buffer.from('0000');
  const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data, 'utf8');
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
}

/** The complete pkt-lines at the start of `bytes`, and the rest. A flush (and delimiter) is null. */
export function readPktLines(bytes: Buffer): { lines: (Buffer | null)[]; rest: Buffer } {
  const lines: (Buffer | null)[] = [];
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = Number.parseInt(bytes.toString('latin1', at, at + 4), 16);
    if (Number.isNaN(length)) break;
    if (length < 4) {
      lines.push(null);
      at += 4;
      continue;
    }
    if (at + length > bytes.length) break;
    lines.push(bytes.subarray(at + 4, at + length));
    at += length;
  }
  return { lines, rest: bytes.subarray(at) };
}
