import os from 'node:os';
import path from 'node:path';
import type { CommandModule } from 'yargs';
import { LOCAL_REPO_OPTION } from '../options.js';
import type { ExitState } from '../run-cli.js';

interface StoreArgs {
  repo: string;
  authorizedKeys: string | undefined;
}

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
        .demandCommand(1, 'key needs one of: add, list, remove'),
    handler: () => {},
  };
}

const addCommand: CommandModule<object, StoreArgs & { name: string; role: string; key: string }> = {
  command: 'add <name>',
  describe: 'Let a key in',
  builder: (y) =>
    y
      .positional('name', { type: 'string', demandOption: true, describe: 'Who it is: home-pc' })
      .option('role', {
        choices: ['agent', 'asker'] as const,
        demandOption: true,
        describe: 'agent answers, asker asks',
      })
      .option('key', { type: 'string', demandOption: true, requiresArg: true, describe: 'The .pub file' })
      .example(
        '$0 key add home-pc --role agent --key agent.pub --repo bridge.git',
        'the PC may answer, and nothing else',
      ) as never,
  async handler(args) {
    const { addKey } = await import('../../admin/keys.js');
    const role = args.role === 'agent' ? 'agent' : 'asker';
    const line = await addKey(storeOf(args), { name: args.name, role, file: args.key });
    process.stdout.write(`${line}\n`);
  },
};

const listCommand: CommandModule<object, StoreArgs> = {
  command: 'list',
  describe: 'The keys of the bridge: name, role, fingerprint',
  async handler(args) {
    const { listKeys } = await import('../../admin/keys.js');
    for (const key of await listKeys(storeOf(args))) {
      process.stdout.write(`${key.name}\t${key.role ?? 'removed'}\t${key.fingerprint}\n`);
    }
  },
};

const removeCommand: CommandModule<object, StoreArgs & { name: string }> = {
  command: 'remove <name>',
  describe: 'Shut a key out, at once',
  builder: (y) =>
    y.positional('name', {
      type: 'string',
      demandOption: true,
      describe: 'The name it was added by',
    }) as never,
  async handler(args) {
    const { removeKey } = await import('../../admin/keys.js');
    const line = await removeKey(storeOf(args), args.name);
    process.stdout.write(`${line ?? `${args.name} was removed; no line of it stood in authorized_keys`}\n`);
  },
};

function storeOf(args: StoreArgs) {
  const file = args.authorizedKeys ?? path.join(os.homedir(), '.ssh', 'authorized_keys');
  return { repoPath: args.repo, authorizedKeysFile: path.resolve(file), env: process.env };
}
