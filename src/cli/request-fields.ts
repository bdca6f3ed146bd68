import * as z from 'zod';
import { asUtf8 } from '../protocol/as-utf8.js';
import { usageError } from '../protocol/bridge-error.js';
import { imageMediaType } from '../protocol/image-type.js';
import { isJsonObject } from '../protocol/json-object.js';
import { DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { type ReadResult, readStrictJson } from '../protocol/strict-json.js';
import type { TaskJson } from '../protocol/task.js';
import type { CommandArgs } from './command.js';
import type { REQUEST_OPTIONS, TASK_OPTIONS } from './options/task-options.js';
import type { OPTIONS, POSITIONALS } from './options.js';
import { readStdin } from './read-stdin.js';
import { pairs, readBytes, taskFieldsOf } from './task-fields.js';

/** The arguments of `ask` that are about what is asked. */
type AskArgs = CommandArgs<
  [typeof POSITIONALS.prompt],
  [...typeof TASK_OPTIONS, ...typeof REQUEST_OPTIONS, typeof OPTIONS.replyTo, typeof OPTIONS.dedup]
>;

/** The path of a body that names none: that of most programs. */
const DEFAULT_PATH = '/v1/chat/completions';

/** As for a question: more than most bridges take. The limit of this bridge is checked when it is asked. */
const MAX_STDIN_BYTES = DEFAULT_MAX_TASK_BYTES * 8;
const SHORTEN = 'send less at once, or raise bridge.maxTaskBytes on the server';

/**
 * The fields of the task that `ask` asks: an API call for `--request`, `--embed` and `--tools`, else those
 * of `taskFieldsOf`. Throws BridgeError `usage` for options that do not go together, and for a file that
 * cannot be read or is not what it has to be.
 */
export async function askedFieldsOf(args: AskArgs): Promise<TaskJson> {
  const { request, embed, tools, path, batch } = args;
  const ways = Object.entries({ request, embed, tools, batch }).filter(([, value]) => value !== undefined);
  if (ways.length > 1)
    throw usageError(`--${ways[0]?.[0]} and --${ways[1]?.[0]} do not go together`, 'give one of them');
  if (path !== undefined && request === undefined)
    throw usageError('--path belongs to --request', 'give the body with --request FILE');
  if (request !== undefined) return requestFields(args, request);
  if (embed !== undefined) return embedFields(args, embed);
  return tools === undefined ? taskFieldsOf(args) : toolFields(args, tools);
}

async function requestFields(args: AskArgs, file: string): Promise<TaskJson> {
  refuse(args, 'request', [...ASKED, ...GENERATED]);
  const whole = await readJson('--request', file, z.record(z.string(), z.unknown()));
  // An object with just these two fields is a request, whatever they hold: the draft says what is wrong.
  const isRequest = Object.keys(whole).sort().join() === 'body,path';
  const { path, body } = isRequest ? whole : { path: DEFAULT_PATH, body: whole };
  const withModel = args.model === undefined || !isJsonObject(body) ? body : { ...body, model: args.model };
  return { ...besides(args), request: { path: args.path ?? path, body: withModel } } as TaskJson;
}

async function embedFields(args: AskArgs, given: string): Promise<TaskJson> {
  refuse(args, 'embed', [...ASKED, ...GENERATED]);
  const input = given === '-' ? await readStdin(MAX_STDIN_BYTES, SHORTEN) : given;
  if (input.trim() === '')
    throw usageError('there is nothing to embed', 'llm-bridge ask --embed "2+2" --repo …');
  const model = args.model === undefined ? {} : { model: args.model };
  return { ...besides(args), request: { path: '/v1/embeddings', body: { ...model, input } } };
}

async function toolFields(args: AskArgs, file: string): Promise<TaskJson> {
  refuse(args, 'tools', ['replyTo', 'dedup', 'numCtx']);
  const list = z.array(z.unknown()).min(1);
  const read = await readJson('--tools', file, z.union([list, z.object({ tools: list })]));
  const {
    prompt,
    messages,
    request,
    system,
    model,
    options = {},
    format,
    images,
    ...others
  } = await taskFieldsOf(args);
  if (request !== undefined)
    throw usageError('--tools does not go with a --file that is a request', 'put them into its body');
  if (others.reply_to !== undefined)
    throw usageError('--tools does not go with "reply_to"', 'leave it out of the file');
  const { num_ctx: _leftToTheServer, ...same } = options;
  const own = messages ?? [{ role: 'user' as const, content: withImages(prompt ?? '', images) }];
  const body = {
    ...(model === undefined ? {} : { model }),
    messages: [...(system === undefined ? [] : [{ role: 'system', content: system }]), ...own],
    tools: Array.isArray(read) ? read : read.tools,
    ...same,
    ...(format === undefined ? {} : { response_format: responseFormat(format) }),
  };
  return { ...others, request: { path: DEFAULT_PATH, body } };
}

function withImages(text: string, images: readonly string[] = []) {
  if (images.length === 0) return text;
  const parts = images.map((image) => {
    const type = imageMediaType(Buffer.from(image, 'base64')) ?? 'application/octet-stream';
    return { type: 'image_url', image_url: { url: `data:${type};base64,${image}` } };
  });
  return [{ type: 'text', text }, ...parts];
}

function responseFormat(format: NonNullable<TaskJson['format']>) {
  if (format === 'json') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: format } };
}

/** The fields of a task that mean the same beside a request. */
function besides({ backend, localOnly, priority, taskTimeout, metadata }: AskArgs): TaskJson {
  return {
    ...(backend === undefined ? {} : { backend }),
    ...(localOnly ? { local_only: true } : {}),
    ...(priority === undefined ? {} : { priority }),
    ...(taskTimeout === undefined ? {} : { timeout_s: taskTimeout }),
    ...(metadata === undefined ? {} : { metadata: pairs(metadata) }),
  };
}

/** The metadata of a batch. Throws BridgeError `usage` for options that a file of whole calls has itself. */
export function batchMetadataOf(args: AskArgs): Record<string, string> {
  refuse(args, 'batch', [
    ...[...ASKED, ...GENERATED, 'request', 'embed', 'tools', 'path', 'model', 'backend', 'priority'],
    ...['taskTimeout', 'timeout'],
  ]);
  return args.metadata === undefined ? {} : pairs(args.metadata);
}

/** Options that say in another way what is asked. */
const ASKED = ['prompt', 'file', 'replyTo', 'dedup'] as const;
/** Options for which the body of a call has fields of its own. */
const GENERATED = [
  ...['system', 'temperature', 'topP', 'maxTokens', 'numCtx', 'seed', 'stop', 'format', 'image'],
] as const;

function refuse(args: AskArgs, way: string, names: readonly string[]): void {
  const given = { ...args, prompt: [...(args.prompt ?? []), ...args.words] } as Record<string, unknown>;
  const wrong = names.find((name) => {
    const value = given[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  });
  if (wrong === undefined) return;
  const shown =
    wrong === 'prompt' ? 'a question' : `--${wrong.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`)}`;
  const remedy =
    way === 'request' || way === 'batch'
      ? 'put it into the body of the call, or leave it out'
      : 'leave it out, or send the whole call: --request FILE';
  throw usageError(`${shown} does not go with --${way}`, remedy);
}

/** A file, or standard input for `-`, read as strictly as a message. */
async function readJson<T>(option: string, file: string, schema: z.ZodType<T>): Promise<T> {
  const isStdin = file === '-';
  const bytes = isStdin
    ? Buffer.from(await readStdin(MAX_STDIN_BYTES, SHORTEN))
    : asUtf8(await readBytes(file), file);
  const read: ReadResult<T> = readStrictJson(bytes, schema);
  if (read.ok) return read.value;
  throw usageError(
    `${isStdin ? 'standard input' : file} ${read.reason}`,
    `${option} ${WANTED[option] ?? ''}`,
  );
}

const WANTED: Readonly<Record<string, string>> = {
  '--request': 'takes the JSON body of a call, or {"path": "/v1/chat/completions", "body": {…}}',
  '--tools': 'takes a JSON list: [{"type": "function", "function": {"name": …, "parameters": {…}}}]',
};
