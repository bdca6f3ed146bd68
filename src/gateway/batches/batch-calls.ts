import { ApiError } from '../api-errors.js';
import { readIdempotencyKey } from '../call-content.js';
import { listPage, readListQuery } from '../list-page.js';
import { LOCAL_ONLY_HEADER, readLocalOnly } from '../local-only.js';
import { privateJson } from '../private-json.js';
import { readCallBody } from '../read-body.js';
import type { StoredCall } from '../stored/stored-call.js';
import type { BatchFiles } from './batch-files.js';
import { batchHeadSchema } from './batch-head.js';
import { BATCH_ENDPOINTS } from './batch-lines.js';
import { FileCalls } from './file-calls.js';
import { type BatchBody, requireSame } from './keyed-batches.js';
import {
  type BatchPlaces,
  findBatch,
  findByKey,
  listBatches,
  objectOf,
  type PlacedBatch,
} from './placed-batches.js';

type Fields = Readonly<Record<string, unknown>>;

/** A body of `/v1/batches` has at most sixteen pairs of metadata. Bytes. */
const MAX_BODY_BYTES = 64 * 1024;

/** The most batches of a page of the list, and how many it has where the client does not say. */
const LIST_BOUNDS = { max: 100, usual: 20 };

/** A call that makes a batch, with its `Idempotency-Key`. */
interface KeyedCall {
  readonly key: string;
  readonly token: string | null;
  readonly localOnly: boolean;
  readonly body: BatchBody;
}

/** Answers the calls of `/v1/files` and `/v1/batches`, by OpenAI's contract. */
export class BatchCalls {
  readonly #files: BatchFiles;
  readonly #places: BatchPlaces;
  readonly #fileCalls: FileCalls;
  /** The last call of each key: those of one key are answered one after the other. */
  readonly #byKey = new Map<string, Promise<unknown>>();

  constructor(files: BatchFiles, places: BatchPlaces) {
    this.#files = files;
    this.#places = places;
    this.#fileCalls = new FileCalls(files, places);
  }

  /** Throws ApiError: 404 for what is not there or is another token's, 400 for what cannot be done. */
  async answer(call: StoredCall): Promise<Response> {
    const [, , kind, id, rest] = call.path.split('/');
    if (kind === 'files') return await this.#fileCalls.answer(call, id, rest);
    const { token, query, method } = call;
    if (id === undefined)
      return privateJson(method === 'POST' ? await this.#create(call) : await this.#list(token, query));
    const found = await findBatch(this.#places, id, token);
    if (found === null) throw this.#places.notFound(`No batch found with id '${id.slice(0, 80)}'.`);
    if (rest !== 'cancel') return privateJson(objectOf(found));
    return privateJson(objectOf({ ...found, facts: await found.batches.cancel(found.facts, token) }));
  }

  async #create({ request, token }: StoredCall): Promise<Fields> {
    const {
      input_file_id,
      endpoint,
      completion_window,
      metadata = null,
    } = await readCallBody(request, MAX_BODY_BYTES);
    const bad = (param: string, message: string) =>
      new ApiError(message, { status: 400, param, code: 'invalid_value' });
    if (typeof input_file_id !== 'string') throw bad('input_file_id', 'input_file_id is missing');
    const shape = batchHeadSchema.pick({ endpoint: true, completion_window: true, metadata: true });
    const read = shape.safeParse({ endpoint, completion_window, metadata });
    if (!read.success) {
      const param = String(read.error.issues[0]?.path[0] ?? 'body');
      const words: Readonly<Record<string, string>> = {
        endpoint: `endpoint must be one of ${BATCH_ENDPOINTS.join(', ')}`,
        completion_window: 'completion_window must be hours: 24h',
        metadata: 'metadata must be an object of texts',
      };
      throw bad(param, words[param] ?? 'the body is not that of a batch');
    }
    const pairs = Object.entries(read.data.metadata ?? {});
    if (pairs.length > 16 || pairs.some(([key, value]) => key.length > 64 || value.length > 512))
      throw bad('metadata', 'metadata has at most 16 pairs, of 64 and 512 characters');
    const key = readIdempotencyKey(request.headers.get('idempotency-key'));
    const localOnly =
      readLocalOnly(request.headers.get(LOCAL_ONLY_HEADER)) || this.#places.localOnly === true;
    const create = async () => {
      const file = this.#files.find(input_file_id, token);
      if (file === null) throw bad('input_file_id', `No such File object: ${input_file_id.slice(0, 80)}`);
      const place = await this.#places.forFile(file);
      const owner = { token, localOnly, key };
      return { ...place, facts: await place.batches.create(file, read.data, owner) };
    };
    const body = { ...read.data, input_file_id };
    return objectOf(
      key === null ? await create() : await this.#once({ key, token, localOnly, body }, create),
    );
  }

  /** The batch that was made with this key, before its gateway was started again too; else a new one. */
  async #once(
    { key, token, localOnly, body }: KeyedCall,
    create: () => Promise<PlacedBatch>,
  ): Promise<PlacedBatch> {
    const name = JSON.stringify([token, key]);
    const before = this.#byKey.get(name) ?? Promise.resolve();
    const mine = before.then(async () => {
      const made = await findByKey(this.#places, key, token);
      if (made === null) return await create();
      requireSame(made.keyed, body, localOnly);
      return made.placed;
    });
    const ended = mine.then(
      () => {},
      () => {},
    );
    this.#byKey.set(name, ended);
    void ended.then(() => {
      if (this.#byKey.get(name) === ended) this.#byKey.delete(name);
    });
    return await mine;
  }

  async #list(token: string | null, query: URLSearchParams): Promise<Fields> {
    const all = (await listBatches(this.#places, token)).map(objectOf);
    return listPage(all, readListQuery(query, LIST_BOUNDS));
  }
}
