import * as z from 'zod';
import {
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_RETRY_WINDOW_MS,
  DEFAULT_TOTAL_TIMEOUT_MS,
} from '../../agent/agent-options.js';
import { DEFAULT_MAX_CONTEXT } from '../../agent/backends/backend.js';
import { BACKENDS, backendTitles, DEFAULT_BACKEND_ORDER } from '../../agent/backends/backends.js';
import { isPassField } from '../../agent/requests/refused-fields.js';
import { formatDuration, parseDurationMs } from '../../protocol/duration.js';
import { principalNameSchema } from '../../protocol/names.js';
import { MAX_AFTER_S } from '../../protocol/presence.js';
import { numberValue, option } from '../option.js';

/** An order of the model servers that is not the usual one, and needs no address. */
const EXAMPLE_ORDER = BACKENDS.filter(({ defaultUrl }) => defaultUrl !== null)
  .map(({ name }) => name)
  .toReversed()
  .join(',');

/** The longest `--idle-after`: a PC that stays on for longer has no use for it. Milliseconds. */
const MAX_IDLE_AFTER_MS = 30 * 24 * 60 * 60_000;

/** `10m`, `90s`, `2h`, as milliseconds: a second at least, and at most `maxMs`. */
function durationValue(maxMs: number) {
  return z.string().transform((text, context) => {
    const ms = parseDurationMs(text);
    if (ms !== null && ms >= 1000 && ms <= maxMs) return ms;
    const bound = (ms ?? 0) > maxMs ? `at most ${formatDuration(maxMs)}` : 'a second at least';
    context.addIssue({ code: 'custom', message: `must be a time like 10m, 90s or 2h, and ${bound}` });
    return z.NEVER;
  });
}

/** Rows of OPTIONS: how an agent answers. */
export const AGENT_ROWS = {
  once: option('once', {
    kind: 'switch',
    describe: 'Answer what is pending, then exit',
    forOneRun: true,
  }),
  agentName: option('name', {
    kind: 'text',
    value: principalNameSchema,
    describe: 'Who answers, where no key says it',
    byDefault: 'the host name',
  }),
  backend: option('backend', {
    kind: 'text',
    default: 'auto',
    byDefault: `auto, ${BACKENDS[0].title} first`,
    value: z
      .string()
      .transform((order) => (order === 'auto' ? DEFAULT_BACKEND_ORDER : order.split(',')))
      .pipe(
        z.array(
          z.enum(DEFAULT_BACKEND_ORDER, {
            error: `must be auto, ${DEFAULT_BACKEND_ORDER.join(', ')}, or an order: ${EXAMPLE_ORDER}`,
          }),
        ),
      ),
    describe: `${DEFAULT_BACKEND_ORDER.join(', ')}, or the order to try them in: ${EXAMPLE_ORDER}`,
  }),
  model: option('model', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'The model for tasks that name none',
    byDefault: 'one in memory, or the first that is installed, of those that chat and run there',
  }),
  allowCloud: option('allow-cloud', {
    kind: 'switch',
    describe: 'Ask a model that runs elsewhere where it is named: a third party reads what is asked',
  }),
  maxContext: option('max-context', {
    kind: 'number',
    value: numberValue.int().min(2048).max(16_777_216),
    default: DEFAULT_MAX_CONTEXT,
    describe: `The longest context to ask for, in tokens (${backendTitles((one) => one.takesContextSize)} only)`,
  }),
  passField: option('pass-field', {
    kind: 'text',
    value: z.string().refine(isPassField, 'must be a field that no call is refused for (docs/requests.md)'),
    repeatable: true,
    describe: 'A field that API calls may have beside the listed ones, like options.num_thread',
  }),
  parallel: option('parallel', {
    kind: 'number',
    value: numberValue.int().min(1).max(64),
    default: 1,
    describe: 'How many tasks at once',
  }),
  poll: option('poll', {
    kind: 'seconds',
    value: numberValue.min(0.1).max(3600),
    default: 2,
    byDefault: '2, backing off',
    describe: 'Seconds between looks where the server has no doorbell',
  }),
  stateDir: option('state-dir', {
    kind: 'path',
    describe: 'The folder for what the agent keeps',
    byDefault: 'one for each bridge, with the data of programs',
  }),
  idleTimeout: option('idle-timeout', {
    kind: 'seconds',
    value: numberValue.positive(),
    describe: 'Seconds a model may say nothing',
    byDefault: inSeconds(DEFAULT_IDLE_TIMEOUT_MS),
  }),
  totalTimeout: option('total-timeout', {
    kind: 'seconds',
    value: numberValue.positive(),
    describe: 'Seconds one answer may take, where its task does not say',
    byDefault: inSeconds(DEFAULT_TOTAL_TIMEOUT_MS),
  }),
  retryWindow: option('retry-window', {
    kind: 'seconds',
    value: numberValue.min(0),
    describe: 'Seconds a model server may be away, or busy, before the task is answered with an error',
    byDefault: inSeconds(DEFAULT_RETRY_WINDOW_MS),
  }),
  after: option('after', {
    kind: 'text',
    value: durationValue(MAX_AFTER_S * 1000),
    describe: 'Be a standby: answer only what has waited for this long, like 10m',
  }),
  idleAfter: option('idle-after', {
    kind: 'text',
    value: durationValue(MAX_IDLE_AFTER_MS),
    describe: 'With --idle-command: how long nothing has to be pending, like 10m',
  }),
  idleCommand: option('idle-command', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: "A line for the shell that is run then, like 'systemctl suspend'",
  }),
} as const;

/** Rows for where each model server listens, made of the list of model servers. */
export const BACKEND_URL_OPTIONS = BACKENDS.map(({ urlOption, title, ownUrl, defaultUrl }) =>
  option(urlOption, {
    kind: 'url',
    describe: `Where ${title} listens`,
    byDefault: defaultAddress(ownUrl?.variable, defaultUrl),
  }),
);

function defaultAddress(variable: string | undefined, url: string | null): string {
  if (url === null) return 'it is not asked';
  return variable === undefined ? url : `what ${variable} says, else ${url}`;
}

/** Rows for the file with the token of each model server that takes tokens. */
export const BACKEND_TOKEN_OPTIONS = BACKENDS.flatMap(({ title, token }) =>
  token === null
    ? []
    : [
        option(token.fileOption, {
          kind: 'path',
          describe: `A file with the token for ${title}, which only its owner can read`,
          byDefault: `what ${token.variable} says`,
        }),
      ],
);

function inSeconds(ms: number): string {
  return String(ms / 1000);
}
