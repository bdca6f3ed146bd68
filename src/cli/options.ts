import * as z from 'zod';
import { SERVICE_PLATFORMS, SERVICE_ROLES } from '../admin/service/service-spec.js';
import { TASK_STATES } from '../admin/task-state.js';
import {
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_RETRY_WINDOW_MS,
  DEFAULT_TOTAL_TIMEOUT_MS,
} from '../agent/agent-options.js';
import { DEFAULT_MAX_CONTEXT } from '../agent/backends/backend.js';
import { BACKENDS, backendTitles, DEFAULT_BACKEND_ORDER } from '../agent/backends/backends.js';
import { parseAddress } from '../bridge/address.js';
import type { BridgeAccess } from '../bridge/connection.js';
import type { SshOptions } from '../bridge/ssh-settings.js';
import { reasonSchema } from '../protocol/cancel.js';
import { backendNameSchema, principalNameSchema, roleSchema } from '../protocol/names.js';
import { grouped, numberValue, type OptionValues, option, positional, worded } from './option.js';

/** The path of a bridge on this machine. An address elsewhere would be taken for a strange path. */
const LOCAL_REPO = z
  .string()
  .min(1, 'is empty')
  .refine((text) => /^[\\/.]/.test(text) || parseAddress(text).kind === 'local', {
    error: 'must be a path on this machine; run this on the server, as the user who owns the bridge',
  });

/** An order of the model servers that is not the usual one. */
const EXAMPLE_ORDER = DEFAULT_BACKEND_ORDER.toReversed().join(',');

/**
 * The table of options: what can be set on the command line, each once. From a row come what yargs declares,
 * what the command gets and how it is typed, the variable `LLM_BRIDGE_<OPTION>`, the line in `--help`, the
 * line in docs/settings.md, and, for a command that can be a service, what `service install` takes and writes
 * into the unit.
 *
 * A new setting is a row here, its name in the list of its command (below for the commands that are services,
 * else in the file of the command), and its use there. Then `npm run settings` writes docs/settings.md. A new
 * command is a file in `commands/` and a line in `commands.ts`.
 */
export const OPTIONS = {
  repo: option('repo', {
    kind: 'bridge',
    required: true,
    describe: 'The bridge: ssh://user@host/path, user@host:path, or a local path',
  }),
  localRepo: option('repo', {
    kind: 'bridge',
    required: true,
    value: LOCAL_REPO,
    describe: 'The bridge: its path on this machine',
  }),
  identity: option('identity', { kind: 'path', describe: 'The private SSH key to use' }),
  acceptNewHostKey: option('accept-new-host-key', {
    kind: 'switch',
    describe: 'Trust a server that was never seen before (a changed key is still refused)',
  }),
  json: option('json', { kind: 'switch', describe: 'Print one line of JSON', forOneRun: true }),
  asker: option('name', {
    kind: 'text',
    value: principalNameSchema,
    describe: 'Who asks, where no key says it',
    byDefault: 'the login name',
  }),

  // What is asked: the fields of task.json.
  file: option('file', {
    kind: 'path',
    describe: 'A task.json to ask; the other options go before its fields',
  }),
  taskModel: option('model', {
    kind: 'text',
    describe: 'The model to use',
    byDefault: "the agent's",
  }),
  taskBackend: option('backend', {
    kind: 'text',
    value: backendNameSchema,
    describe: `${DEFAULT_BACKEND_ORDER.join(' or ')}, or another that the agent knows`,
    byDefault: 'whichever the agent reaches',
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
    describe: 'Continue the conversation of that task: its id, or the beginning of it',
  }),
  dedup: option('dedup', {
    kind: 'switch',
    describe: 'Take the answer of an equal task where there is one (leaves out id and asked_at)',
  }),
  timeout: option('timeout', {
    kind: 'seconds',
    value: numberValue.positive(),
    describe: 'Seconds to wait; then exit 75, and the task stays asked',
  }),
  wait: option('wait', {
    kind: 'switch',
    negated: true,
    describe: 'Print the id of the task at once, and do not wait',
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

  // How an agent answers.
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
  logFormat: option('log-format', {
    kind: 'text',
    choices: ['plain', 'json'],
    value: z.enum(['plain', 'json']),
    default: 'plain',
    describe: 'json: a line of JSON for each thing that happens',
  }),

  // What is shown, and what is looked after.
  newest: option('number', {
    kind: 'number',
    alias: 'n',
    value: numberValue.int().min(0),
    describe: 'Only the newest so many',
    byDefault: 'all',
  }),
  newestOver: option('number', {
    kind: 'number',
    alias: 'n',
    value: numberValue.int().min(0),
    default: 20,
    describe: 'Of those that are over, only the newest so many',
  }),
  state: option('state', {
    kind: 'text',
    choices: TASK_STATES,
    value: z.enum(TASK_STATES),
    describe: 'Only those',
  }),
  ofAsker: option('asker', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'Only answers to what this one asked',
  }),
  ofModel: option('model', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'Only answers of this model, named as in the record',
    // LLM_BRIDGE_MODEL is the model to ask, and must not hide records.
    variable: false,
  }),
  follow: option('follow', {
    kind: 'switch',
    alias: 'f',
    describe: 'Then go on with new ones as they come, until Ctrl-C',
  }),
  watch: option('watch', {
    kind: 'switch',
    alias: 'w',
    describe: 'Go on, and show it again whenever something changes, until Ctrl-C',
  }),
  rebuild: option('rebuild', {
    kind: 'switch',
    describe: 'Write answers.log again from history, whole, and keep the old files aside',
    forOneRun: true,
  }),
  again: option('again', {
    kind: 'text',
    describe: 'Give this executable of on-answer.d once more what it did not take',
    forOneRun: true,
  }),
  checkedRole: option('role', {
    kind: 'text',
    choices: roleSchema.options,
    value: roleSchema,
    describe: 'What this machine is to do',
    byDefault: 'what its key may do',
  }),
  fix: option('fix', {
    kind: 'switch',
    describe: 'Clear away what a killed git left behind, where nobody can be using it',
  }),
  generate: option('generate', {
    kind: 'switch',
    negated: true,
    describe: 'Do not let the model say a word',
  }),
  authorizedKeys: option('authorized-keys', {
    kind: 'path',
    describe: 'The file sshd reads',
    byDefault: '~/.ssh/authorized_keys',
  }),
  keyRole: option('role', {
    kind: 'text',
    choices: roleSchema.options,
    value: roleSchema,
    required: true,
    describe: 'An agent answers, an asker asks; neither can do the other',
  }),
  key: option('key', {
    kind: 'path',
    required: true,
    describe: 'The file of the public key, which ends in .pub',
  }),
  local: option('local', {
    kind: 'switch',
    describe: 'Without sshd: the agent comes in by the local path',
  }),

  // A service itself; what its command takes comes on top.
  instance: option('instance', {
    kind: 'text',
    value: principalNameSchema,
    describe: 'A name, where this machine has several services of one kind',
  }),
  machine: option('system', {
    kind: 'switch',
    describe: 'For the machine, and not for you: starts with it; needs root',
  }),
  user: option('user', {
    kind: 'text',
    value: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'is no name of a user'),
    describe: 'With --system: who it runs as',
    byDefault: 'the owner of the bridge, or who called sudo',
  }),
  print: option('print', {
    kind: 'switch',
    describe: 'Print the files and the commands, and do nothing',
  }),
  platform: option('platform', {
    kind: 'text',
    choices: SERVICE_PLATFORMS,
    value: z.enum(SERVICE_PLATFORMS),
    describe: 'With --print: for which system',
    byDefault: 'this one',
  }),
} as const;

/** What stands on the command line without a name. */
export const POSITIONALS = {
  newRepo: positional('repo', {
    kind: 'bridge',
    required: true,
    value: LOCAL_REPO,
    describe: 'Its path on this machine: /srv/llm-bridge/bridge.git',
  }),
  keyName: positional('name', {
    kind: 'text',
    required: true,
    describe: 'What to call it: home-pc. Its commits carry this name',
  }),
  oldKeyName: positional('name', { kind: 'text', required: true, describe: 'The name it was added by' }),
  prompt: positional('prompt', {
    kind: 'text',
    repeatable: true,
    describe: 'The question; none or "-" reads standard input',
  }),
  task: positional('task', {
    kind: 'text',
    required: true,
    describe: 'The id of the task, or the beginning of it',
  }),
  watched: positional('file', {
    kind: 'path',
    required: true,
    describe: 'The file; it need not exist yet. A name in .json is read as task.json, any other as task.txt',
  }),
  role: positional('role', {
    kind: 'text',
    required: true,
    choices: SERVICE_ROLES,
    value: z.enum(SERVICE_ROLES),
    describe: 'agent answers, watch makes tasks of a file, ingest catches up the log every ten minutes',
  }),
  servedFile: positional('file', { kind: 'path', describe: 'For watch: the task.txt or task.json' }),
} as const;

/** Of every command that may go over ssh. */
export const SSH_OPTIONS = grouped('SSH:', [OPTIONS.identity, OPTIONS.acceptNewHostKey]);

/** Of `ask`: the fields of a `task.json`. */
export const TASK_OPTIONS = grouped('The task:', [
  OPTIONS.file,
  OPTIONS.taskModel,
  OPTIONS.taskBackend,
  OPTIONS.system,
  OPTIONS.temperature,
  OPTIONS.topP,
  OPTIONS.maxTokens,
  OPTIONS.numCtx,
  OPTIONS.seed,
  OPTIONS.stop,
  OPTIONS.format,
  OPTIONS.image,
  OPTIONS.priority,
  OPTIONS.taskTimeout,
  OPTIONS.metadata,
]);

/** Where each model server listens: a row for each of them, from its description. */
export const BACKEND_URL_OPTIONS = BACKENDS.map(({ urlOption, title, ownUrl, defaultUrl }) =>
  option(urlOption, {
    kind: 'url',
    describe: `Where ${title} listens`,
    byDefault: ownUrl === null ? defaultUrl : `what ${ownUrl.variable} says, else ${defaultUrl}`,
  }),
);

/** The file with the token of each model server that knows tokens. */
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

/**
 * Of the commands that can be services. `service install` takes them too, so they stand here and not with the
 * commands.
 */
export const AGENT_OPTIONS = [
  OPTIONS.repo,
  OPTIONS.once,
  OPTIONS.agentName,
  OPTIONS.backend,
  OPTIONS.model,
  OPTIONS.allowCloud,
  OPTIONS.maxContext,
  ...BACKEND_URL_OPTIONS,
  ...BACKEND_TOKEN_OPTIONS,
  OPTIONS.parallel,
  OPTIONS.poll,
  OPTIONS.stateDir,
  OPTIONS.idleTimeout,
  OPTIONS.totalTimeout,
  OPTIONS.retryWindow,
  OPTIONS.logFormat,
  ...SSH_OPTIONS,
] as const;

export const WATCH_OPTIONS = [OPTIONS.localRepo, worded(OPTIONS.asker, 'Who asks'), OPTIONS.settle] as const;

export const INGEST_OPTIONS = [OPTIONS.localRepo, OPTIONS.json, OPTIONS.rebuild, OPTIONS.again] as const;

/** The bridge that a command's arguments name, and how to come in. */
export function accessOf(
  args: { readonly repo: string } & OptionValues<typeof SSH_OPTIONS>,
  env: NodeJS.ProcessEnv,
): BridgeAccess {
  return { repo: args.repo, env, ssh: sshOf(args) };
}

/** The part of a command's arguments that ssh is started with. */
export function sshOf(args: OptionValues<typeof SSH_OPTIONS>): SshOptions {
  return { identity: args.identity, acceptNewHostKey: args.acceptNewHostKey };
}

function inSeconds(ms: number): string {
  return String(ms / 1000);
}
