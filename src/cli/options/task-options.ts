import * as z from 'zod';
import { backendTitles, DEFAULT_BACKEND_ORDER } from '../../agent/backends/backends.js';
import { reasonSchema } from '../../protocol/cancel.js';
import { backendNameSchema } from '../../protocol/names.js';
import { grouped, numberValue, option } from '../option.js';

/**
 * How long a program waits that sets no time: nobody watches it, and it must not hang for as long as a task
 * lives. A person sees what is waited for, and can leave. Seconds.
 */
export const DEFAULT_TIMEOUT_S = 3600;

/** Rows of OPTIONS: what is asked (the fields of `task.json`), and how it is waited for. */
export const TASK_ROWS = {
  file: option('file', {
    kind: 'path',
    describe: 'A task.json to ask; the other options win over its fields',
  }),
  request: option('request', {
    kind: 'path',
    describe: 'An API call: a file with its JSON body, or with {"path", "body"}; "-" reads standard input',
  }),
  batch: option('batch', {
    kind: 'path',
    describe:
      'A file of many API calls, a line of JSON each, that nobody waits for; prints the id of the batch',
  }),
  batchErrors: option('errors', {
    kind: 'switch',
    describe: 'The requests without a good answer, and why',
    forOneRun: true,
  }),
  requestPath: option('path', {
    kind: 'text',
    describe: 'The path of the API call, where --request has the body alone',
    byDefault: '/v1/chat/completions',
  }),
  embed: option('embed', {
    kind: 'text',
    describe: 'Print the embedding of this text, a vector as JSON; "-" reads standard input',
  }),
  tools: option('tools', {
    kind: 'path',
    describe: 'A JSON list of tools; where the model calls some, the calls are printed as JSON',
  }),
  taskModel: option('model', {
    kind: 'text',
    describe: 'The model to use',
    byDefault: "the agent's",
  }),
  taskBackend: option('backend', {
    kind: 'text',
    value: backendNameSchema,
    describe: `${DEFAULT_BACKEND_ORDER.join(', ')}, or another that the agent knows`,
    byDefault: 'whichever the agent reaches',
  }),
  localOnly: option('local-only', {
    kind: 'switch',
    describe: 'No third party may read it: neither a cloud model, nor a server at a public address',
  }),
  system: option('system', { kind: 'text', describe: 'The system prompt' }),
  temperature: option('temperature', {
    kind: 'number',
    describe: '0 to 10: how freely to choose words',
  }),
  topP: option('top-p', {
    kind: 'number',
    describe: '0 to 1: the share of likely words to choose from',
  }),
  maxTokens: option('max-tokens', {
    kind: 'number',
    describe: 'The longest answer, in tokens',
  }),
  numCtx: option('num-ctx', {
    kind: 'number',
    describe: `The size of the context in tokens (${backendTitles((one) => one.takesContextSize)} only)`,
  }),
  seed: option('seed', {
    kind: 'number',
    describe: 'A whole number; the same one makes the same answer likely',
  }),
  stop: option('stop', {
    kind: 'text',
    repeatable: true,
    describe: 'A text to stop at; can be given several times',
  }),
  format: option('format', {
    kind: 'text',
    describe: 'json, or a JSON Schema: a file, or the schema itself',
  }),
  image: option('image', {
    kind: 'path',
    repeatable: true,
    describe: 'An image file; can be given several times',
  }),
  priority: option('priority', {
    kind: 'number',
    describe: '-10 to 10: the higher is answered first',
    byDefault: '0',
  }),
  taskTimeout: option('task-timeout', {
    kind: 'seconds',
    describe: 'Seconds the model may take; then the answer is an error',
  }),
  metadata: option('metadata', {
    kind: 'text',
    repeatable: true,
    value: z.string().regex(/^[^=]+=/, 'must be key=value'),
    describe: 'key=value to keep with the task; can be given several times',
  }),
  replyTo: option('reply-to', {
    kind: 'text',
    describe: 'Continue the conversation of that task: its id or the beginning of it, or "last" (yours)',
  }),
  dedup: option('dedup', {
    kind: 'switch',
    describe: 'Take the answer of an equal task where there is one (leaves out id and asked_at)',
  }),
  timeout: option('timeout', {
    kind: 'seconds',
    value: numberValue.positive(),
    describe: 'Seconds to wait; then exit 75, and the task stays asked',
    byDefault: `none on a terminal, ${DEFAULT_TIMEOUT_S} (1 h) elsewhere`,
  }),
  wait: option('wait', {
    kind: 'switch',
    negated: true,
    describe: 'Print the id of the task at once, and do not wait',
  }),
  stream: option('stream', {
    kind: 'switch',
    negated: true,
    describe: 'On a terminal: print the answer when it is whole, not while it is written',
  }),
  reason: option('reason', {
    kind: 'text',
    value: reasonSchema,
    describe: 'Why, for whoever reads the history',
  }),
  settle: option('settle', {
    kind: 'seconds',
    value: numberValue.min(0.02).max(60),
    default: 0.5,
    describe: 'Seconds a file must keep its size before it counts as written',
  }),
} as const;

/** Options of `ask`: what is asked as an API call. */
export const REQUEST_OPTIONS = grouped('An API call:', [
  TASK_ROWS.request,
  TASK_ROWS.batch,
  TASK_ROWS.requestPath,
  TASK_ROWS.embed,
  TASK_ROWS.tools,
]);

/** Options of `ask`: the fields of a `task.json`. */
export const TASK_OPTIONS = grouped('The task:', [
  TASK_ROWS.file,
  TASK_ROWS.taskModel,
  TASK_ROWS.taskBackend,
  TASK_ROWS.localOnly,
  TASK_ROWS.system,
  TASK_ROWS.temperature,
  TASK_ROWS.topP,
  TASK_ROWS.maxTokens,
  TASK_ROWS.numCtx,
  TASK_ROWS.seed,
  TASK_ROWS.stop,
  TASK_ROWS.format,
  TASK_ROWS.image,
  TASK_ROWS.priority,
  TASK_ROWS.taskTimeout,
  TASK_ROWS.metadata,
]);
