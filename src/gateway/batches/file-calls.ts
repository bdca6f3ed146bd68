import { createReadStream } from 'node:fs';
import { ApiError } from '../api-errors.js';
import { listPage, readListQuery } from '../list-page.js';
import { NO_STORE, privateJson } from '../private-json.js';
import type { StoredCall } from '../stored/stored-call.js';
import type { BatchFiles, StoredFile } from './batch-files.js';
import { isOver, resultFileId, resultFileOf, tasksOfFile } from './batch-object.js';
import { batchResults } from './batch-results.js';
import {
  type BatchPlaces,
  findBatch,
  listBatches,
  objectOf,
  type PlacedBatch,
  statusOf,
} from './placed-batches.js';

/** A file as OpenAI's contract has it. */
type FileObject = Readonly<Record<string, unknown>> & { readonly id: string };

/** The most files of a page of the list, and how many it has where the client does not say. */
const LIST_BOUNDS = { max: 10_000, usual: 10_000 };

const CONTENT = { 'content-type': 'application/jsonl', ...NO_STORE };

/**
 * Answers the calls of `/v1/files`, by OpenAI's contract: for the files that clients have sent, and for the
 * results of batches, which are no files here but are made from the record whenever they are asked for.
 */
export class FileCalls {
  readonly #files: BatchFiles;
  readonly #places: BatchPlaces;

  constructor(files: BatchFiles, places: BatchPlaces) {
    this.#files = files;
    this.#places = places;
  }

  /**
   * Answers `/v1/files`, `/v1/files/<id>` or `/v1/files/<id>/<rest>`. Throws ApiError: 404 for what is not
   * there or is another token's, 409 for a file that a batch needs, else as BatchFiles does.
   */
  async answer(call: StoredCall, id: string | undefined, rest: string | undefined): Promise<Response> {
    const { method, token, query, request } = call;
    if (id === undefined) {
      if (method === 'POST') return privateJson(inputFile(await this.#files.add(request, token)));
      return privateJson(await this.#list(token, query));
    }
    const result = resultFileOf(id);
    if (result !== null) return await this.#resultFile(call, id, rest);
    const file = this.#files.find(id, token);
    if (file === null) throw new ApiError(noSuchFile(id), { status: 404, param: 'id' });
    if (rest === 'content')
      return new Response(bodyOf(readFile(this.#files.pathOf(id))), { headers: CONTENT });
    if (method !== 'DELETE') return privateJson(inputFile(file));
    const needs = await Promise.all(this.#places.all().map(({ batches }) => batches.needs(id)));
    if (needs.includes(true))
      throw new ApiError('a batch is being made of this file: cancel it first', {
        ...{ status: 409, code: 'file_in_use' },
      });
    await this.#files.remove(id);
    return privateJson({ id, object: 'file', deleted: true });
  }

  async #list(token: string | null, query: URLSearchParams) {
    return listPage(await this.#filesOf(token, query.get('purpose')), readListQuery(query, LIST_BOUNDS));
  }

  async #resultFile({ method, token }: StoredCall, id: string, rest: string | undefined): Promise<Response> {
    const of = resultFileOf(id);
    const found = of === null ? null : await findBatch(this.#places, of.id, token);
    const known = found?.facts.known ?? null;
    const isThere =
      of !== null &&
      found !== null &&
      known !== null &&
      isOver(statusOf(found)) &&
      tasksOfFile(known, of.kind).length > 0;
    if (!isThere) throw this.#places.notFound(noSuchFile(id));
    if (rest === 'content')
      return new Response(bodyOf(batchResults(found.view, known, of.kind)), { headers: CONTENT });
    if (method === 'DELETE')
      throw new ApiError('results are made from the record of the bridge, and nothing of it is deleted', {
        ...{ status: 501, code: 'not_implemented' },
      });
    return privateJson(await this.#resultObject(found, id));
  }

  async #resultObject(found: PlacedBatch, id: string): Promise<FileObject> {
    const { batches, facts } = found;
    const { known } = facts;
    const of = resultFileOf(id);
    if (known === null || of === null) throw new Error(`${id} is no file of results`);
    const bytes = await batches.sizes.bytes({ ...facts, known }, of.kind);
    const ended = Number(objectOf(found).completed_at ?? facts.head.created_at);
    return fileObject(
      { id, bytes, created_at: ended, filename: `${of.id}_${of.kind}.jsonl` },
      'batch_output',
    );
  }

  async #filesOf(token: string | null, purpose: string | null): Promise<FileObject[]> {
    const inputs = (await this.#files.list(token)).map(inputFile);
    if (purpose === 'batch') return inputs;
    const outputs: FileObject[] = [];
    for (const found of await listBatches(this.#places, token)) {
      const { known, id } = found.facts;
      if (known === null || !isOver(statusOf(found))) continue;
      for (const kind of ['output', 'errors'] as const)
        if (tasksOfFile(known, kind).length > 0)
          outputs.push(await this.#resultObject(found, resultFileId(id, kind)));
    }
    if (purpose === 'batch_output') return outputs;
    return purpose === null ? [...outputs, ...inputs] : [];
  }
}

function inputFile({ id, bytes, created_at, filename }: StoredFile) {
  return fileObject({ id, bytes, created_at, filename }, 'batch');
}

function fileObject(file: Omit<StoredFile, 'token'>, purpose: string): FileObject {
  return { ...file, object: 'file', purpose, status: 'processed', status_details: null };
}

async function* readFile(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(file);
}

/** A body that is made only as fast as the client takes it. */
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

function noSuchFile(id: string): string {
  return `No such File object: ${id.slice(0, 80)}`;
}
