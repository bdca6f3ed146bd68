import * as z from 'zod';
import { draftTask, type TaskDraft } from '../../asker/task-draft.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import type { RequestPath } from '../../protocol/request.js';
import { readStrictJson } from '../../protocol/strict-json.js';
import { textOf } from '../../protocol/text.js';
import { readLines } from './file-lines.js';

/** The calls that a batch may be made of. */
export const BATCH_ENDPOINTS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
] as const satisfies readonly RequestPath[];
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

/** Why a line of a batch cannot be asked, as the `errors` of a batch list it. */
export interface LineError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** From 1 on; null where it is about the whole file. */
  readonly line: number | null;
}

/** A request of a batch. */
export interface BatchLine {
  readonly line: number;
  readonly customId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The most requests of a batch, as OpenAI has it. */
const MAX_BATCH_LINES = 50_000;

/** The most faults that are told. */
const MAX_ERRORS = 100;

const lineSchema = z.looseObject({
  custom_id: textOf(1, 512),
  method: z.literal('POST', { error: 'must be POST' }),
  url: z.string(),
  body: z.record(z.string(), z.unknown()),
});

/** How the lines of a file are read. */
export interface LineRules {
  readonly endpoint: BatchEndpoint;
  /** The most bytes of a task. */
  readonly maxTaskBytes: number;
  /** The lines were checked before: faults that only a draft shows are not looked for again. */
  readonly isChecked?: boolean;
  /** The model that a name stands for: aliases. */
  readonly modelOf?: ((model: string) => string) | undefined;
}

/**
 * Reads a file line by line and says what is wrong with it: no JSON, a `custom_id` twice, another url or
 * method, a body that is no call, a model that nobody has. `hasModel` is asked once for each model.
 */
export async function checkLines(
  file: string,
  rules: LineRules,
  hasModel: (model: string) => Promise<boolean>,
): Promise<{ readonly total: number; readonly errors: readonly LineError[] }> {
  const errors: LineError[] = [];
  const ids = new Set<string>();
  const models = new Map<string, boolean>();
  let total = 0;
  for await (const { line, bytes } of readLines(file, rules.maxTaskBytes)) {
    total += 1;
    if (total > MAX_BATCH_LINES) {
      const message = `a batch has at most ${MAX_BATCH_LINES} requests: split it`;
      return { total, errors: [{ code: 'too_many_requests', message, param: null, line: null }] };
    }
    const fail = (code: string, message: string, param: string | null = null) =>
      errors.push({ code, message, param, line });
    const read = readLine(line, bytes, rules);
    if ('code' in read) errors.push(read);
    else if (ids.has(read.customId))
      fail('duplicate_custom_id', `The custom_id ${quoted(read.customId)} was used before.`, 'custom_id');
    else {
      ids.add(read.customId);
      const { model } = read.body;
      if (typeof model === 'string' && model !== '') {
        if (!models.has(model)) models.set(model, await hasModel(model));
        if (models.get(model) === false)
          fail('model_not_found', `no agent has the model ${quoted(model)}`, 'body.model');
      }
    }
    if (errors.length >= MAX_ERRORS) break;
  }
  if (total === 0)
    errors.push({ code: 'empty_file', message: 'the file has no request in it', param: null, line: null });
  return { total, errors };
}

/** Reads one line; an error says why it is none of this batch. */
export function readLine(line: number, bytes: Buffer | null, rules: LineRules): BatchLine | LineError {
  const fail = (code: string, message: string, param: string | null = null): LineError => ({
    ...{ code, message, param, line },
  });
  const { endpoint, maxTaskBytes } = rules;
  if (bytes === null)
    return fail('request_too_large', `This line has more than the ${maxTaskBytes} bytes of a task.`);
  const read = readStrictJson(bytes, lineSchema);
  if (!read.ok) return fail(codeOf(read.reason), faultOf(read.reason), paramOf(read.reason));
  const { custom_id: customId, url, body: whole } = read.value;
  if (url !== endpoint) {
    const message = `The url ${quoted(url)} is not the endpoint of the batch, ${endpoint}.`;
    return fail('mismatched_endpoint', message, 'url');
  }
  if (whole.stream === true) return fail('stream_not_supported', 'A batch has no streams.', 'body.stream');
  const body = ownBody(whole, rules);
  if (rules.isChecked) return { line, customId, body };
  const draft = draftOf({ body, endpoint, maxTaskBytes, metadata: {}, id: 'x' });
  if (draft instanceof BridgeError) return fail('invalid_request', draft.message, 'body');
  return { line, customId, body };
}

/** The task of a request. Its priority is -10: a client that waits for its answer goes first. */
export function draftOf(request: {
  readonly id: string;
  readonly endpoint: BatchEndpoint;
  readonly body: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly maxTaskBytes: number;
  readonly localOnly?: boolean | undefined;
}): TaskDraft | BridgeError {
  const { id, endpoint: path, body, metadata, maxTaskBytes: maxBytes } = request;
  try {
    const local = request.localOnly === true ? { local_only: true } : {};
    const fields = { id, request: { path, body }, ...local, priority: BATCH_PRIORITY, metadata };
    return draftTask(fields, { nowMs: Date.now(), dedup: false, maxBytes });
  } catch (error) {
    if (error instanceof BridgeError) return error;
    throw error;
  }
}

const BATCH_PRIORITY = -10;

/** The body for the agent: with the model that an alias stands for, and without the gateway's own fields. */
function ownBody(body: Record<string, unknown>, { endpoint, modelOf }: LineRules): Record<string, unknown> {
  const model = typeof body.model === 'string' ? (modelOf?.(body.model) ?? body.model) : body.model;
  const named = 'model' in body ? { ...body, model } : body;
  if (endpoint !== '/v1/responses') return named;
  const { background: _background, store: _store, ...rest } = named;
  return rest;
}

function codeOf(reason: string): string {
  if (/^(?:is not|has|nests|starts) /.test(reason)) return 'invalid_json_line';
  if (reason.startsWith('method:')) return 'invalid_method';
  return reason.startsWith('custom_id:') ? 'invalid_custom_id' : 'invalid_request';
}

/** The reason as a sentence. That of a field begins with its name, that of another value with a capital. */
function faultOf(reason: string): string {
  return /^[a-z]+ /.test(reason) ? `This line ${reason}` : `This line has a fault: ${reason}`;
}

function paramOf(reason: string): string | null {
  return /^([a-z_]{1,20}): /.exec(reason)?.[1] ?? null;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
