import { open, statfs } from 'node:fs/promises';
import path from 'node:path';
import { writeWhole } from '../../process/durable-file.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { ApiError } from '../api-errors.js';
import { type FormPart, readForm } from './form-reader.js';

/** The most bytes of a file, and how much of the disk stays free. Bytes. */
export interface FileRoom {
  readonly maxBytes: number;
  readonly minFreeBytes: number;
}

/** A file that was taken in: its length, and what its client calls it. */
export interface TakenFile {
  readonly bytes: number;
  readonly filename: string;
}

/** The free space of the disk is checked again after so much of a file. Bytes. */
const LOOK_EACH_BYTES = 8 * 1024 * 1024;

/**
 * Writes the file of a form, its part `file` beside `purpose`, which is `batch`, into `target` as it comes,
 * and syncs it. Throws ApiError: 400 for another form, 413 for too much, 507 for a full disk.
 */
export async function takeFile(request: Request, target: string, room: FileRoom): Promise<TakenFile> {
  let found: TakenFile | null = null;
  let purpose: string | null = null;
  for await (const one of readForm(request)) {
    if (one.name === 'file' && one.filename !== null) {
      if (found !== null) throw new ApiError('the form has two files', { status: 400, param: 'file' });
      found = { bytes: await write(one, target, room), filename: nameOf(one.filename) };
    } else if (one.name === 'purpose') purpose = await shortText(one);
    else await shortText(one);
  }
  if (purpose !== 'batch')
    throw new ApiError('purpose must be batch: nothing else is done with files here', {
      ...{ status: 400, param: 'purpose' },
    });
  if (found === null) throw new ApiError('the form has no file', { status: 400, param: 'file' });
  return found;
}

async function write({ bytes }: FormPart, target: string, room: FileRoom): Promise<number> {
  const handle = await open(target, 'wx', 0o600);
  try {
    let total = 0;
    let lookAt = 0;
    for await (const piece of bytes) {
      total += piece.length;
      if (total > room.maxBytes)
        throw new ApiError(`a file may have ${room.maxBytes} bytes here: split it`, {
          ...{ status: 413, code: 'file_too_large', param: 'file' },
        });
      if (total > lookAt) {
        await requireDisk(target, room.minFreeBytes);
        lookAt = total + LOOK_EACH_BYTES;
      }
      await writeWhole(handle, Buffer.from(piece));
    }
    await handle.sync();
    return total;
  } finally {
    await handle.close();
  }
}

async function requireDisk(target: string, minFreeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path.dirname(target));
  if (bavail * bsize < minFreeBytes) throw diskFull();
}

/** The most characters of a field that is no file. */
const MAX_FIELD_CHARS = 4096;

async function shortText({ name, bytes }: FormPart): Promise<string> {
  let text = '';
  for await (const piece of bytes) {
    text += Buffer.from(piece).toString('utf8');
    if (text.length > MAX_FIELD_CHARS)
      throw new ApiError(`the field ${oneLine(name.slice(0, 64))} of the form is too long`, { status: 400 });
  }
  return text;
}

/** The name alone, whatever folders or control characters came with it: for a person, never for the disk. */
function nameOf(filename: string): string {
  const last = filename.split(/[\\/]/).at(-1) ?? '';
  const name = excerpt(oneLine(last), 200);
  return name === '' || name === '.' || name === '..' ? 'batch.jsonl' : name;
}

function diskFull(): ApiError {
  return new ApiError('the disk of the gateway is full', { status: 507, code: 'disk_full' });
}

/** The error of a write, as a client is told it. */
export function diskError(error: unknown): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['ENOSPC', 'EDQUOT'].includes(code) ? diskFull() : error;
}

/** Throws it: a client is told in plain words of a full disk. */
export function throwDiskError(error: unknown): never {
  throw diskError(error);
}
