import * as z from 'zod';
import { SERVICE_ROLES } from '../admin/service/service-spec.js';
import { positional, worded } from './option.js';
import { ADMIN_ROWS, SERVICE_ROWS } from './options/admin-options.js';
import { AGENT_ROWS, BACKEND_TOKEN_OPTIONS, BACKEND_URL_OPTIONS } from './options/agent-options.js';
import { BRIDGE_ROWS, LOCAL_REPO, SSH_OPTIONS } from './options/bridge-options.js';
import { GATEWAY_ROWS } from './options/gateway-options.js';
import { LOG_ROWS } from './options/log-options.js';
import { TASK_ROWS } from './options/task-options.js';
import { WAKE_ROWS } from './options/wake-options.js';

/**
 * The table of options: what can be set on the command line, each once. From a row come what yargs declares,
 * what the command gets and how it is typed, the variable `LLM_BRIDGE_<OPTION>`, the line in `--help`, the
 * line in docs/settings.md, and, for a command that can be a service, what `service install` takes and
 * writes into the unit.
 *
 * A new setting is a row in the file of its family, its name in the list of its command (below for the
 * commands that are services, else in the file of the command), and its use there. Then `npm run settings`
 * writes docs/settings.md. A new command is a file in `commands/` and a line in `commands.ts`.
 */
export const OPTIONS = {
  ...BRIDGE_ROWS,
  ...TASK_ROWS,
  ...AGENT_ROWS,
  ...ADMIN_ROWS,
  ...LOG_ROWS,
  ...SERVICE_ROWS,
  ...GATEWAY_ROWS,
  ...WAKE_ROWS,
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
  address: positional('address', {
    kind: 'bridge',
    required: true,
    describe: 'The bridge: ssh://bridge@server/srv/llm-bridge/bridge.git, or bridge@server:/srv/…',
  }),
  profile: positional('profile', { kind: 'text', describe: 'Its name; none lists the profiles' }),
  tokenName: positional('name', {
    kind: 'text',
    required: true,
    describe: 'What to call it: bot. The record names it with each task',
  }),
  oldTokenName: positional('name', { kind: 'text', required: true, describe: 'The name it was added by' }),
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
  batch: positional('batch', {
    kind: 'text',
    required: true,
    describe: 'The id of the batch, or the beginning of it',
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
    describe:
      'agent answers, wake wakes its PC, serve is the gateway, watch makes tasks of a file, ingest catches up the log',
  }),
  servedFile: positional('file', { kind: 'path', describe: 'For watch: the task.txt or task.json' }),
} as const;

/**
 * The options of the commands that can be services. `service install` takes them too, so they stand here and
 * not with the commands.
 */
export const AGENT_OPTIONS = [
  OPTIONS.repos,
  OPTIONS.once,
  OPTIONS.agentName,
  OPTIONS.backend,
  OPTIONS.model,
  OPTIONS.allowCloud,
  OPTIONS.maxContext,
  OPTIONS.passField,
  ...BACKEND_URL_OPTIONS,
  ...BACKEND_TOKEN_OPTIONS,
  OPTIONS.parallel,
  OPTIONS.poll,
  OPTIONS.stateDir,
  OPTIONS.idleTimeout,
  OPTIONS.totalTimeout,
  OPTIONS.retryWindow,
  OPTIONS.after,
  OPTIONS.idleAfter,
  OPTIONS.idleCommand,
  OPTIONS.logFormat,
  ...SSH_OPTIONS,
] as const;

export const WATCH_OPTIONS = [OPTIONS.localRepo, worded(OPTIONS.asker, 'Who asks'), OPTIONS.settle] as const;

export const INGEST_OPTIONS = [OPTIONS.localRepo, OPTIONS.json, OPTIONS.rebuild, OPTIONS.again] as const;

export const SERVE_OPTIONS = [
  OPTIONS.repos,
  OPTIONS.listen,
  worded(OPTIONS.asker, 'Who asks, where no key says it'),
  OPTIONS.waitFor,
  OPTIONS.linger,
  worded(
    OPTIONS.localOnly,
    'No third party may read what is asked here; a call says so with x-llm-bridge-local-only: true',
  ),
  OPTIONS.alias,
  OPTIONS.allowHost,
  OPTIONS.corsOrigin,
  ...SSH_OPTIONS,
] as const;
