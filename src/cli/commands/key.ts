import os from 'node:os';
import path from 'node:path';
import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { roleSchema } from '../../protocol/names.js';
import { LOCAL_REPO_OPTION, localRepoSchema, readOptions } from '../options.js';
import type { ExitState } from '../print-error.js';

const storeSchema = z.object({ repo: localRepoSchema, authorizedKeys: z.string().min(1).optional() });
const removeSchema = storeSchema.extend({ name: z.string() });
const addSchema = removeSchema.extend({ role: roleSchema, key: z.string().min(1) });

/** `llm-bridge key add|list|remove` */
export function keyCommand(_exit: ExitState): CommandModule {
  return {
    command: 'key',
    describe: 'Let SSH keys into the bridge, list them, shut them out',
    builder: (y) =>
      y
        .option('repo', LOCAL_REPO_OPTION)
        .option('authorized-keys', {
          type: 'string',
          requiresArg: true,
          describe: 'The file sshd reads. Default: ~/.ssh/authorized_keys',
        })
        .command(addCommand)
        .command(listCommand)
        .command(removeCommand)
        .demandCommand(1, 'key needs one of: add, list, remove')
        .example(
          '$0 key add home-pc --role agent --key agent.pub --repo /srv/llm-bridge/bridge.git',
          'let a PC in',
        )
        .example('$0 key list --repo /srv/llm-bridge/bridge.git', 'who is let in'),
    handler: () => {},
  };
}

const addCommand: CommandModule = {
  command: 'add <name>',
  describe: 'Let a key in',
  builder: (y) =>
    y
      .positional('name', {
        type: 'string',
        demandOption: true,
        describe: 'What to call it: home-pc. Its commits carry this name',
      })
      .option('role', {
        choices: ['agent', 'asker'] as const,
        demandOption: true,
        describe: 'An agent answers, an asker asks; neither can do the other',
      })
      .option('key', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'The file of the public key, which ends in .pub',
      })
      .example(
        '$0 key add home-pc --role agent --key agent.pub --repo bridge.git',
        'the PC may answer, and nothing else',
      ),
  async handler(raw) {
    const args = readOptions(addSchema, raw, 'key add', ['name']);
    const { addKey } = await import('../../admin/keys.js');
    const line = await addKey(storeOf(args), { name: args.name, role: args.role, file: args.key });
    process.stdout.write(`${line}\n`);
  },
};

const listCommand: CommandModule = {
  command: 'list',
  describe: 'List the keys of the bridge: name, role, fingerprint',
  builder: (y) => y.example('$0 key list --repo /srv/llm-bridge/bridge.git', 'one line a key'),
  async handler(raw) {
    const args = readOptions(storeSchema, raw, 'key list');
    const { listKeys } = await import('../../admin/keys.js');
    for (const key of await listKeys(storeOf(args))) {
      process.stdout.write(`${key.name}\t${key.role ?? 'removed'}\t${key.fingerprint}\n`);
    }
  },
};

const removeCommand: CommandModule = {
  command: 'remove <name>',
  describe: 'Shut a key out, at once, also on connections that are open',
  builder: (y) =>
    y
      .positional('name', { type: 'string', demandOption: true, describe: 'The name it was added by' })
      .example('$0 key remove home-pc --repo /srv/llm-bridge/bridge.git', 'when the PC is sold, or stolen'),
  async handler(raw) {
    const args = readOptions(removeSchema, raw, 'key remove', ['name']);
    const { removeKey } = await import('../../admin/keys.js');
    const line = await removeKey(storeOf(args), args.name);
    process.stdout.write(`${line ?? `${args.name} was removed; no line of it stood in authorized_keys`}\n`);
  },
};

function storeOf(args: z.infer<typeof storeSchema>) {
  const file = args.authorizedKeys ?? path.join(os.homedir(), '.ssh', 'authorized_keys');
  return { repoPath: args.repo, authorizedKeysFile: path.resolve(file), env: process.env };
}
