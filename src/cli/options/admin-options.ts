import * as z from 'zod';
import { SERVICE_PLATFORMS } from '../../admin/service/service-spec.js';
import { TASK_STATES } from '../../admin/task-state.js';
import { principalNameSchema, roleSchema } from '../../protocol/names.js';
import { numberValue, option } from '../option.js';

/** Rows of OPTIONS: what is shown, and what is looked after. */
export const ADMIN_ROWS = {
  newestOver: option('number', {
    kind: 'number',
    alias: 'n',
    value: numberValue.int().min(0),
    default: 20,
    describe: 'Only so many of those that are over, the newest',
  }),
  state: option('state', {
    kind: 'text',
    choices: TASK_STATES,
    value: z.enum(TASK_STATES),
    describe: 'Only tasks in this state',
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
    describe: 'Do not let the model generate a word',
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
    kind: 'text',
    required: true,
    value: z.string().min(1, 'is empty'),
    describe: 'The public key: its file, which ends in .pub, or the text of it, or "-" for standard input',
  }),
  joinedRole: option('role', {
    kind: 'text',
    choices: roleSchema.options,
    value: roleSchema,
    default: 'agent',
    describe: 'What this machine is to do: an agent answers, an asker asks',
    variable: false,
  }),
  keyName: option('name', {
    kind: 'text',
    value: principalNameSchema,
    describe: 'What to call the key there; its commits carry this name',
    byDefault: 'the name of this machine',
  }),
  profile: option('profile', {
    kind: 'text',
    value: principalNameSchema,
    describe: 'The name to save the bridge by, for --repo',
    byDefault: 'the name of the server',
  }),
  via: option('via', {
    kind: 'text',
    value: z.string().regex(/^[^\s-]\S*$/, 'is no login, as you@server'),
    describe: 'Let the key in over a login of your own on the server: you@server',
  }),
  asService: option('service', {
    kind: 'switch',
    describe: 'Install the agent as a service, and start it',
  }),
  serve: option('serve', {
    kind: 'switch',
    describe: 'Then leave a gateway of the bridge open until Ctrl-C, and say what makes a client use it',
  }),
  local: option('local', {
    kind: 'switch',
    describe: 'Without sshd: the agent comes in by the local path',
  }),
} as const;

/** Rows of OPTIONS: a service itself; what its command takes comes on top. */
export const SERVICE_ROWS = {
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
