import { readFile } from 'node:fs/promises';
import { asUtf8 } from '../protocol/as-utf8.js';
import { usageError } from '../protocol/bridge-error.js';
import { IMAGE_KINDS, imageMediaType } from '../protocol/image-type.js';
import { DEFAULT_MAX_TASK_BYTES } from '../protocol/limits.js';
import { readTask, type TaskFormat, type TaskJson, taskFormatSchema } from '../protocol/task.js';
import type { CommandArgs } from './command.js';
import type { TASK_OPTIONS } from './options/task-options.js';
import type { POSITIONALS } from './options.js';
import { readStdin } from './read-stdin.js';

/** The arguments of `ask` that are about the task itself. */
type TaskArgs = CommandArgs<[typeof POSITIONALS.prompt], typeof TASK_OPTIONS>;

/**
 * Puts the fields of a task together: those of `--file`, then the prompt, then the options. Throws
 * BridgeError `usage` for a file that cannot be read or is no task, and where there is no question at all.
 */
export async function taskFieldsOf(args: TaskArgs): Promise<TaskJson> {
  const fromFile = args.file === undefined ? {} : await readTaskFile(args.file);
  const prompt = await promptOf(
    args,
    ['prompt', 'messages', 'request'].some((field) => field in fromFile),
  );
  const { messages, request, ...rest } = fromFile as TaskJson;
  const given = defined({
    temperature: args.temperature,
    top_p: args.topP,
    max_tokens: args.maxTokens,
    num_ctx: args.numCtx,
    seed: args.seed,
    stop: args.stop,
  });
  // Only those that are given: an undefined one would hide that of the file.
  const options = { ...rest.options, ...given };
  return defined({
    ...rest,
    ...(prompt === null ? { messages, request } : { prompt }),
    model: args.model ?? rest.model,
    backend: args.backend ?? rest.backend,
    local_only: args.localOnly ? true : rest.local_only,
    system: args.system ?? rest.system,
    options: Object.keys(options).length > 0 ? options : undefined,
    format: args.format === undefined ? rest.format : await readFormat(args.format),
    images: args.image === undefined ? rest.images : await Promise.all(args.image.map(readImage)),
    priority: args.priority ?? rest.priority,
    timeout_s: args.taskTimeout ?? rest.timeout_s,
    metadata: args.metadata === undefined ? rest.metadata : { ...rest.metadata, ...pairs(args.metadata) },
  }) as TaskJson;
}

const SHORTEN = 'shorten the prompt, or raise bridge.maxTaskBytes on the server';

/** The words of the command line, or standard input; null where the file brings the question. */
async function promptOf(args: TaskArgs, fileAsks: boolean): Promise<string | null> {
  const words = [...(args.prompt ?? []), ...args.words];
  const fromStdin = words.length === 0 ? !fileAsks : words.length === 1 && words[0] === '-';
  if (!fromStdin) return words.length === 0 ? null : words.join(' ');
  if (process.stdin.isTTY)
    process.stderr.write('Reading the question from the terminal; end it with Ctrl-D.\n');
  const prompt = (await readStdin(DEFAULT_MAX_TASK_BYTES * 8, SHORTEN)).replace(/\r?\n$/, '');
  if (prompt.trim() === '')
    throw usageError('there is no question: standard input is empty', 'llm-bridge ask "2+2" --repo …');
  return prompt;
}

async function readTaskFile(file: string): Promise<TaskJson> {
  const read = readTask('task.json', asUtf8(await readBytes(file), file), Number.POSITIVE_INFINITY);
  if (read.ok) return read.value;
  throw usageError(
    `${file} ${read.reason}`,
    'see "Messages" in docs/protocol.md; a plain text goes in by: llm-bridge ask - < FILE',
  );
}

async function readFormat(value: string): Promise<TaskFormat> {
  if (value === 'json') return 'json';
  const isInline = value.trimStart().startsWith('{');
  const source = isInline ? Buffer.from(value) : asUtf8(await readBytes(value), value);
  try {
    return taskFormatSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(source)));
  } catch {
    throw usageError(
      '--format is neither "json" nor a JSON Schema',
      '--format schema.json, or --format \'{"type": "object"}\'',
    );
  }
}

async function readImage(file: string): Promise<string> {
  const bytes = await readBytes(file);
  if (imageMediaType(bytes) !== null) return bytes.toString('base64');
  throw usageError(
    `${file} is no ${IMAGE_KINDS}`,
    'convert it to one of these; no model reads anything else',
  );
}

/** The bytes of a file; throws BridgeError `usage`. */
export async function readBytes(file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw usageError(`cannot read ${file} (${error.code ?? error.message})`, 'check the path');
  });
}

/** `key=value` texts as an object. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  );
}

function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
