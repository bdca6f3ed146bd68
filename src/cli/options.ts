import * as z from 'zod';
import { parseAddress } from '../bridge/address.js';
import type { SshOptions } from '../bridge/ssh-settings.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { describeIssues } from '../protocol/strict-json.js';

/** `--repo`, for commands that work over ssh too. */
export const REPO_OPTION = {
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'The bridge: ssh://user@host/path, user@host:path, or a local path',
} as const;

/** `--repo`, for commands that need the files. */
export const LOCAL_REPO_OPTION = {
  ...REPO_OPTION,
  describe: 'The bridge: its path on this machine',
} as const;

/** Options of every command that may go over ssh. */
export const SSH_OPTIONS = {
  identity: { type: 'string', requiresArg: true, describe: 'The private SSH key to use', group: 'SSH:' },
  'accept-new-host-key': {
    type: 'boolean',
    describe: 'Trust a server that was never seen before (a changed key is still refused)',
    group: 'SSH:',
  },
} as const;

/** The ssh part of parsed arguments. */
export function sshOptionsOf(args: {
  identity?: string | undefined;
  acceptNewHostKey?: boolean | undefined;
}): SshOptions {
  return { identity: args.identity, acceptNewHostKey: args.acceptNewHostKey };
}

/** `--timeout 30` and the like: a number, from the command line or the environment. */
export const numberOption = z.coerce.number({
  error: (issue) => (issue.code === 'invalid_type' ? 'must be a number' : undefined),
});

/** The address of a bridge. */
export const repoSchema = z.string().min(1, 'is empty');

/** The path of a bridge on this machine. An address elsewhere would be taken for a strange path. */
export const localRepoSchema = repoSchema.refine(
  (text) => /^[\\/.]/.test(text) || parseAddress(text).kind === 'local',
  {
    error: 'must be a path on this machine; run this on the server, as the user who owns the bridge',
  },
);

/** The options of the ssh group, as readOptions reads them. */
export const sshArgs = { identity: z.string().optional(), acceptNewHostKey: z.boolean().optional() };

/**
 * Holds parsed arguments against a schema: the last word on what an option may be. Throws BridgeError `usage` naming the
 * option, or the positional in angle brackets. An option that is given twice is refused here too, because its value is a list then.
 */
export function readOptions<T>(
  schema: z.ZodType<T>,
  args: unknown,
  help: string,
  positionals: readonly string[] = [],
): T {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0]);
    // A schema that wants one value found a list: that is what yargs makes of an option given twice.
    const twice = issue.path.length === 1 && Array.isArray((args as Record<string, unknown>)[name]);
    return {
      ...issue,
      path: [positionals.includes(name) ? `<${name}>` : `--${kebab(name)}`],
      ...(twice ? { message: 'is given more than once' } : {}),
    };
  });
  throw new BridgeError(describeIssues(issues), { code: 'usage', remedy: `llm-bridge ${help} --help` });
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`);
}
