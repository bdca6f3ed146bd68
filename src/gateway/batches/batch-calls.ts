import { createReadStream } from 'node:fs';
import type { BridgeView } from '../../bridge/bridge-view.js';
import { ApiError } from '../api-errors.js';
import { readCallBody } from '../read-body.js';
import type { StoredCall } from '../stored/stored-call.js';
import type { BatchFiles, StoredFile } from './batch-files.js';
import { batchHeadSchema } from './batch-head.js';
import { BATCH_ENDPOINTS } from './batch-lines.js';
import {
  type BatchFacts,
  batchObject,
  batchStatus,
  isOver,
  resultFileId,
  resultFileOf,
  tasksOfFile,
} from './batch-object.js';
import { batchResults } from './batch-results.js';
import type { Batches } from './batches.js';

type Fields = Readonly<Record<string, unknown>>;

/** A body of `/v1/batches` has at most sixteen pairs of metadata. Bytes. */
const MAX_BODY_BYTES = 64 * 1024;

/** As many things a list has at most, and where nothing is said. */
const MAX_LISTED = 100;
const USUAL_LISTED = 20;
const MAX_LISTED_FILES = 10_000;

const NO_STORE = { 'cache-control': 'no-store' };

/** Answers the calls of `/v1/files` and `/v1/batches`, by OpenAI's contract. */
export class BatchCalls {
  readonly #view: BridgeView;
  readonly #files: BatchFiles;
  readonly #batches: Batches;
  /** How many bytes results have that do not change any more, by the id of their file. */
  readonly #sizes = new Map<string, number>();

  constructor(view: BridgeView, files: BatchFiles, batches: Batches) {
    this.#view = view;
    this.#files = files;
    this.#batches = batches;
  }

  /** Throws ApiError: 404 for what is not there, or another token's, 400 for what cannot be done. */
  async answer(call: StoredCall): Promise<Response> {
    const [, , kind, id, rest] = call.path.split('/');
    if (kind === 'files') return await this.#file(call, id, rest);
    const { token, query, method } = call;
    if (id === undefined)
      return json(method === 'POST' ? await this.#create(call) : await this.#list(token, query));
    const found = await this.#batches.find(id, token);
    if (found === null) throw notFound(`No batch found with id '${id.slice(0, 80)}'.`);
    return json(this.#object(rest === 'cancel' ? await this.#batches.cancel(found, token) : found));
  }

  #object(facts: BatchFacts) {
    return batchObject(facts, this.#view.terms.serverNow());
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
    const file = this.#files.find(input_file_id, token);
    if (file === null) throw bad('input_file_id', `No such File object: ${input_file_id.slice(0, 80)}`);
    return this.#object(await this.#batches.create(file, read.data, token));
  }

  async #list(token: string | null, query: URLSearchParams): Promise<Fields> {
    return pageOf(
      (await this.#batches.list(token)).map((facts) => this.#object(facts)),
      query,
      MAX_LISTED,
    );
  }

  async #file(call: StoredCall, id: string | undefined, rest: string | undefined): Promise<Response> {
    const { method, token, query, request } = call;
    if (id === undefined) {
      if (method === 'POST') return json(inputFile(await this.#files.add(request, token)));
      return json(pageOf(await this.#listFiles(token, query.get('purpose')), query, MAX_LISTED_FILES));
    }
    const result = resultFileOf(id);
    if (result !== null) return await this.#resultFile(call, id, rest);
    const file = this.#files.find(id, token);
    if (file === null) throw notFound(`No such File object: ${id.slice(0, 80)}`);
    if (rest === 'content')
      return new Response(bodyOf(readFile(this.#files.pathOf(id))), { headers: CONTENT });
    if (method !== 'DELETE') return json(inputFile(file));
    if (await this.#batches.needs(id))
      throw new ApiError('a batch is being made of this file: cancel it first', {
        ...{ status: 409, code: 'file_in_use' },
      });
    await this.#files.remove(id);
    return json({ id, object: 'file', deleted: true });
  }

  async #resultFile({ method, token }: StoredCall, id: string, rest: string | undefined): Promise<Response> {
    const of = resultFileOf(id);
    const facts = of === null ? null : await this.#batches.find(of.id, token);
    const known = facts?.known ?? null;
    const status = facts === null ? null : batchStatus(facts, this.#view.terms.serverNow());
    const isThere =
      of !== null &&
      known !== null &&
      status !== null &&
      isOver(status) &&
      tasksOfFile(known, of.kind).length > 0;
    if (!isThere || facts === null) throw notFound(`No such File object: ${id.slice(0, 80)}`);
    if (rest === 'content')
      return new Response(bodyOf(batchResults(this.#view, known, of.kind)), { headers: CONTENT });
    if (method === 'DELETE')
      throw new ApiError('results are made from the record of the bridge, and nothing of it is deleted', {
        ...{ status: 501, code: 'not_implemented' },
      });
    return json(await this.#resultObject(facts, id));
  }

  async #resultObject(facts: BatchFacts, id: string): Promise<Fields & { readonly id: string }> {
    const { known } = facts;
    const of = resultFileOf(id);
    if (known === null || of === null) throw new Error(`${id} is no file of results`);
    let bytes = this.#sizes.get(id);
    if (bytes === undefined) {
      bytes = 0;
      for await (const line of batchResults(this.#view, known, of.kind)) bytes += Buffer.byteLength(line);
      // What was given up may still be answered for a moment.
      if (batchStatus(facts, this.#view.terms.serverNow()) === 'completed') this.#sizes.set(id, bytes);
    }
    const ended = Number(this.#object(facts).completed_at ?? facts.head.created_at);
    return fileObject(
      { id, bytes, created_at: ended, filename: `${of.id}_${of.kind}.jsonl` },
      'batch_output',
    );
  }

  async #listFiles(token: string | null, purpose: string | null) {
    const inputs = (await this.#files.list(token)).map(inputFile);
    if (purpose === 'batch') return inputs;
    const outputs: (Fields & { readonly id: string })[] = [];
    for (const facts of await this.#batches.list(token)) {
      const { known } = facts;
      if (known === null || !isOver(batchStatus(facts, this.#view.terms.serverNow()))) continue;
      for (const kind of ['output', 'errors'] as const)
        if (tasksOfFile(known, kind).length > 0)
          outputs.push(await this.#resultObject(facts, resultFileId(facts.id, kind)));
    }
    if (purpose === 'batch_output') return outputs;
    return purpose === null ? [...outputs, ...inputs] : [];
  }
}

const CONTENT = { 'content-type': 'application/jsonl', ...NO_STORE };

function inputFile({ id, bytes, created_at, filename }: StoredFile) {
  return fileObject({ id, bytes, created_at, filename }, 'batch');
}

function fileObject(
  file: {
    readonly id: string;
    readonly bytes: number;
    readonly created_at: number;
    readonly filename: string;
  },
  purpose: string,
) {
  return { ...file, object: 'file', purpose, status: 'processed', status_details: null };
}

/** A page of a list, from behind `after`. */
function pageOf<T extends { readonly id: string }>(all: readonly T[], query: URLSearchParams, max: number) {
  const said = query.get('limit');
  const limit = said === null ? (max === MAX_LISTED ? USUAL_LISTED : max) : Number(said);
  if (!Number.isInteger(limit) || limit < 1 || limit > max)
    throw new ApiError(`limit is 1 to ${max}`, { status: 400, param: 'limit' });
  const ordered = query.get('order') === 'asc' ? [...all].reverse() : all;
  const after = query.get('after');
  const from = after === null ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== null && from === 0)
    throw new ApiError('after is none of this list', { status: 400, param: 'after' });
  const data = ordered.slice(from, from + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: ordered.length > from + limit,
  };
}

async function* readFile(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(file);
}

/** A body that is made as fast as it is taken. */
function bodyOf(pieces: AsyncIterable<string | Uint8Array>): ReadableStream<Uint8Array> {
  const source = pieces[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(out) {
      const next = await source.next();
      if (next.done) out.close();
      else out.enqueue(typeof next.value === 'string' ? encoder.encode(next.value) : next.value);
    },
    cancel: async () => void (await source.return?.()),
  });
}

function json(value: Fields): Response {
  return Response.json(value, { headers: NO_STORE });
}

function notFound(message: string): ApiError {
  return new ApiError(message, { status: 404, param: 'id' });
}
