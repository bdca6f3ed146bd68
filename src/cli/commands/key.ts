import os from 'node:os';
import path from 'node:path';
import { addKey, type KeyStore, listKeys, removeKey } from '../../admin/keys.js';
import { publicKeyOf } from '../../admin/public-key.js';
import { otherOwner } from '../../admin/run-as-user.js';
import { requireName } from '../../protocol/names.js';
import { type CommandIo, defineCommand, defineGroup } from '../command.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { EXIT, type ExitCode } from '../print-error.js';
import { readStdin } from '../read-stdin.js';
import { runHereAs } from '../run-here-as.js';

const STORE_OPTIONS = [OPTIONS.localRepo, OPTIONS.authorizedKeys] as const;

const addCommand = defineCommand({
  positionals: [POSITIONALS.keyName],
  options: [...STORE_OPTIONS, OPTIONS.keyRole, OPTIONS.key],
  examples: [
    [
      '$0 key add home-pc --role agent --key agent.pub --repo bridge.git',
      'the PC may answer, and nothing else',
    ],
  ],
  async run(args, io) {
    const { name, role } = args;
    requireName(name, 'a key');
    const given =
      args.key === '-' ? await readStdin(MAX_KEY_BYTES, 'give the public half of one key') : args.key;
    // Read here, because the owner of the bridge may not be able to read the file.
    const { type, blob } = await publicKeyOf(given);
    const key = `${type} ${blob}`;
    const words = ['add', name, '--role', role, '--key', key];
    return inStore(args, io, words, (store) => addKey(store, { name, role, key }));
  },
});

const listCommand = defineCommand({
  options: STORE_OPTIONS,
  examples: [['$0 key list --repo /srv/llm-bridge/bridge.git', 'one line a key']],
  run(args, io) {
    return inStore(args, io, ['list'], async (store) => {
      const keys = await listKeys(store);
      return keys
        .map(({ name, role, fingerprint }) => `${name}\t${role ?? 'removed'}\t${fingerprint}\n`)
        .join('');
    });
  },
});

const removeCommand = defineCommand({
  positionals: [POSITIONALS.oldKeyName],
  options: STORE_OPTIONS,
  examples: [['$0 key remove home-pc --repo /srv/llm-bridge/bridge.git', 'when the PC is sold, or stolen']],
  run({ name, ...args }, io) {
    return inStore(args, io, ['remove', name], async (store) => {
      const line = await removeKey(store, name);
      return line ?? `${name} was removed; no line of it stood in authorized_keys`;
    });
  },
});

/** `llm-bridge key add|list|remove` */
export const keyCommand = defineGroup({
  options: STORE_OPTIONS,
  examples: [
    ['$0 key add home-pc --role agent --key agent.pub --repo /srv/llm-bridge/bridge.git', 'let a PC in'],
    ['$0 key list --repo /srv/llm-bridge/bridge.git', 'who is let in'],
  ],
  commands: [
    { usage: 'add <name>', describe: 'Let a key in', command: addCommand },
    {
      usage: 'list',
      describe: 'List the keys of the bridge: name, role, fingerprint',
      command: listCommand,
    },
    {
      usage: 'remove <name>',
      describe: 'Shut a key out, at once, also on connections that are open',
      command: removeCommand,
    },
  ],
});

/** The longest public keys, of 16,384 bits, have 3 kB. */
const MAX_KEY_BYTES = 64 * 1024;

/**
 * Works on the keys of a bridge, and prints the result. The line that join prints may be pasted as root, so
 * root runs the command with these words as the owner: otherwise files that the owner has to write later
 * would belong to root.
 */
async function inStore(
  { repo, authorizedKeys }: { readonly repo: string; readonly authorizedKeys: string | undefined },
  io: CommandIo,
  words: readonly string[],
  work: (store: KeyStore) => Promise<string>,
): Promise<ExitCode> {
  const repoPath = path.resolve(repo);
  const owner = otherOwner(repoPath);
  if (owner !== null) {
    const file = authorizedKeys === undefined ? [] : ['--authorized-keys', path.resolve(authorizedKeys)];
    return runHereAs(owner, ['key', ...words, '--repo', repoPath, ...file], io);
  }
  const file = authorizedKeys ?? path.join(os.homedir(), '.ssh', 'authorized_keys');
  const said = await work({ repoPath, authorizedKeysFile: path.resolve(file), env: io.env });
  if (said !== '') await io.out.print(said);
  return EXIT.done;
}
