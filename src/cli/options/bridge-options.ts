import * as z from 'zod';
import { parseAddress } from '../../bridge/address.js';
import { bridgeNames } from '../../bridge/bridge-names.js';
import type { BridgeAccess } from '../../bridge/connection.js';
import type { SshOptions } from '../../bridge/ssh-settings.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { principalNameSchema } from '../../protocol/names.js';
import { profileNamed } from '../fill-from-profile.js';
import { grouped, type OptionValues, option } from '../option.js';

/** The path of a bridge on this machine. Without this, an address elsewhere would be read as a path. */
export const LOCAL_REPO = z
  .string()
  .min(1, 'is empty')
  .refine((text) => /^[\\/.]/.test(text) || parseAddress(text).kind === 'local', {
    error: 'must be a path on this machine; run this on the server, as the user who owns the bridge',
  });

/** Rows of OPTIONS: which bridge, how to come in, and what most commands have. */
export const BRIDGE_ROWS = {
  repo: option('repo', {
    kind: 'bridge',
    required: true,
    describe: 'The bridge: ssh://user@host/path, user@host:path, a local path, or the name of a profile',
    byDefault: 'the bridge one stands in, else the profile in use',
  }),
  repos: option('repo', {
    kind: 'bridge',
    required: true,
    repeatable: true,
    describe: 'A bridge, or the name of a profile; can be given several times',
    byDefault: 'the bridge one stands in, else the profile in use',
  }),
  localRepo: option('repo', {
    kind: 'bridge',
    required: true,
    value: LOCAL_REPO,
    describe: 'The bridge: its path on this machine',
    byDefault: 'the bridge one stands in, else the profile in use if that is on this machine',
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
  logFormat: option('log-format', {
    kind: 'text',
    choices: ['plain', 'json'],
    value: z.enum(['plain', 'json']),
    default: 'plain',
    describe: 'json: a line of JSON for each thing that happens',
  }),
} as const;

/** The options of every command that may go over ssh. */
export const SSH_OPTIONS = grouped('SSH:', [BRIDGE_ROWS.identity, BRIDGE_ROWS.acceptNewHostKey]);

/** The bridge that a command's arguments name, and how to come in. */
export function accessOf(
  args: { readonly repo: string } & OptionValues<typeof SSH_OPTIONS>,
  env: NodeJS.ProcessEnv,
): BridgeAccess {
  return { repo: args.repo, env, ssh: sshOf(args) };
}

/**
 * The bridges that a command's arguments name, each with the key of its profile where no other is given.
 * Throws BridgeError `no-such-profile`, `bad-profiles`.
 */
export function accessesOf(
  args: { readonly repo: readonly string[] } & OptionValues<typeof SSH_OPTIONS>,
  env: NodeJS.ProcessEnv,
): BridgeAccess[] {
  return args.repo.map((given) => {
    const profile = profileNamed(given, { env, cwd: process.cwd() });
    const ssh = sshOf(args);
    if (profile === null) return { repo: given, env, ssh };
    return { repo: profile.repo, env, ssh: { ...ssh, identity: ssh.identity ?? profile.identity } };
  });
}

/**
 * The same, each with its name beside the others. Throws BridgeError `usage` for one that is named twice.
 */
export function namedAccessesOf(
  args: { readonly repo: readonly string[] } & OptionValues<typeof SSH_OPTIONS>,
  env: NodeJS.ProcessEnv,
): NamedAccess[] {
  const accesses = accessesOf(args, env);
  const urls = accesses.map(({ repo }) => parseAddress(repo).url);
  const twice = urls.find((url, at) => urls.indexOf(url) !== at);
  if (twice !== undefined)
    throw new BridgeError(`${twice} is named twice`, { code: 'usage', remedy: 'name each bridge once' });
  const names = bridgeNames(
    accesses.map(({ repo }, at) => {
      const given = args.repo[at] ?? '';
      return { repo, profile: profileNamed(given, { env, cwd: process.cwd() }) === null ? null : given };
    }),
  );
  return accesses.map((access, at) => ({ name: names[at] ?? '', access }));
}

/** A bridge that a command's arguments name, and its name beside others. */
export interface NamedAccess {
  readonly name: string;
  readonly access: BridgeAccess;
}

/** The part of a command's arguments that ssh is started with. */
export function sshOf(args: OptionValues<typeof SSH_OPTIONS>): SshOptions {
  return { identity: args.identity, acceptNewHostKey: args.acceptNewHostKey };
}
