import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { readSmallFile, unless } from '../../process/durable-file.js';
import { readStrictJson } from '../../protocol/strict-json.js';
import { ApiError } from '../api-errors.js';
import { diskError, takeFile } from './take-file.js';

/** A file that a client has sent, as it is kept beside its bytes. */
const fileSchema = z.strictObject({
  id: z.string().regex(/^file-[0-9a-f]{24}$/),
  bytes: z.int().min(0),
  created_at: z.int(),
  filename: z.string(),
  /** The name of the token that it came with; null where this machine called without one. */
  token: z.string().nullable(),
});
export type StoredFile = z.infer<typeof fileSchema>;

/** The limits of files. */
export interface FileLimits {
  /** Of one file: 200 MB, as OpenAI. Bytes. */
  readonly maxFileBytes: number;
  /** Of all files of a token. */
  readonly maxTokenBytes: number;
  readonly maxTokenFiles: number;
  /** How much of the disk stays free: the bridge may lie there too. Bytes. */
  readonly minFreeBytes: number;
  readonly maxUploads: number;
}

export const FILE_LIMITS: FileLimits = {
  maxFileBytes: 200 * 1024 * 1024,
  maxTokenBytes: 1024 * 1024 * 1024,
  maxTokenFiles: 1_000,
  minFreeBytes: 256 * 1024 * 1024,
  maxUploads: 8,
};

/** Half a file, which a gateway that was killed left behind, is removed after this time. Milliseconds. */
const LEFT_OVER_MS = 60 * 60 * 1000;

/** The files that clients send for their batches: bytes and a line of JSON each, in the gateway's folder. */
export class BatchFiles {
  readonly #folder: string;
  readonly #limits: FileLimits;
  #uploads = 0;

  constructor(folder: string, limits: FileLimits = FILE_LIMITS) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /**
   * Takes in the file of a form. Throws ApiError as takeFile does, 413 also where the files of its token are
   * too many, 429 for too many at once.
   */
  async add(request: Request, token: string | null): Promise<StoredFile> {
    if (this.#uploads >= this.#limits.maxUploads)
      throw new ApiError(`${this.#uploads} files come in already: try again`, {
        ...{ status: 429, code: 'too_many_uploads', retryAfterS: 5 },
      });
    this.#uploads += 1;
    const id = `file-${randomBytes(12).toString('hex')}`;
    const part = path.join(this.#folder, `${id}.part`);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#sweep();
      const { minFreeBytes } = this.#limits;
      const form = await takeFile(request, part, { maxBytes: await this.#roomOf(token), minFreeBytes });
      const created_at = Math.floor(Date.now() / 1000);
      const file: StoredFile = { id, ...form, created_at, token };
      await rename(part, this.pathOf(id));
      await writeFileAtomic(this.#metaOf(id), `${JSON.stringify(file)}\n`, { mode: 0o600 });
      return file;
    } catch (error) {
      await rm(this.pathOf(id), { force: true });
      throw diskError(error);
    } finally {
      this.#uploads -= 1;
      await rm(part, { force: true }).catch(() => {});
    }
  }

  /** Where the bytes of a file lie. Only for an id that `find` has found. */
  pathOf(id: string): string {
    return path.join(this.#folder, `${id}.jsonl`);
  }

  /** A file of this token; null where there is none. */
  find(id: string, token: string | null): StoredFile | null {
    if (!/^file-[0-9a-f]{24}$/.test(id)) return null;
    const text = readSmallFile(this.#metaOf(id));
    const read = text === null ? null : readStrictJson(Buffer.from(text, 'latin1'), fileSchema);
    return read?.ok && read.value.token === token && read.value.id === id ? read.value : null;
  }

  /** The files of this token, the newest first. */
  async list(token: string | null): Promise<StoredFile[]> {
    const names = (await readdir(this.#folder).catch(unless('ENOENT'))) ?? [];
    return names
      .filter((name) => /^file-[0-9a-f]{24}\.json$/.test(name))
      .flatMap((name) => this.find(name.slice(0, -'.json'.length), token) ?? [])
      .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));
  }

  async remove(id: string): Promise<void> {
    await rm(this.#metaOf(id), { force: true });
    await rm(this.pathOf(id), { force: true });
  }

  #metaOf(id: string): string {
    return path.join(this.#folder, `${id}.json`);
  }

  async #roomOf(token: string | null): Promise<number> {
    const { maxFileBytes, maxTokenBytes, maxTokenFiles } = this.#limits;
    const files = await this.list(token);
    const left = maxTokenBytes - files.reduce((sum, { bytes }) => sum + bytes, 0);
    if (files.length >= maxTokenFiles || left <= 0)
      throw new ApiError(
        `${files.length} files are kept here already, as much as may be: delete some of them first`,
        { status: 413, code: 'storage_quota' },
      );
    return Math.min(maxFileBytes, left);
  }

  /** Removes halves of files, which a gateway that was killed left behind. */
  async #sweep(): Promise<void> {
    const names = await readdir(this.#folder);
    for (const name of names) {
      const isHalf =
        name.endsWith('.part') || (name.endsWith('.jsonl') && !names.includes(`${name.slice(0, -1)}`));
      if (!isHalf) continue;
      const file = path.join(this.#folder, name);
      const stats = await stat(file).catch(unless('ENOENT'));
      if (stats !== null && Date.now() - stats.mtimeMs > LEFT_OVER_MS) await rm(file, { force: true });
    }
  }
}
