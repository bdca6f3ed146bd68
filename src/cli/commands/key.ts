import os from 'node:os';
import path from 'node:path';
import { becomeOwner } from '../../admin/become-owner.js';
import { addKey, type KeyStore, listKeys, removeKey } from '../../admin/keys.js';
import { publicKeyOf } from '../../admin/public-key.js';
import { requireName } from '../../protocol/names.js';
import { defineCommand, defineGroup } from '../command.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { EXIT } from '../print-error.js';
import { readStdin } from '../read-stdin.js';

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
  async run(args, { out, env }) {
    const { name, role } = args;
    requireName(name, 'a key');
    const given =
      args.key === '-' ? await readStdin(MAX_KEY_BYTES, 'give the public half of one key') : args.key;
    // Before this process may become the owner, who need not be able to read the file.
    const { type, blob } = await publicKeyOf(given);
    await out.print(await addKey(storeOf(args, env), { name, role, key: `${type} ${blob}` }));
    return EXIT.done;
  },
});

const listCommand = defineCommand({
  options: STORE_OPTIONS,
  examples: [['$0 key list --repo /srv/llm-bridge/bridge.git', 'one line a key']],
  async run(args, { out, env }) {
    for (const { name, role, fingerprint } of await listKeys(storeOf(args, env)))
      await out.print(`${name}\t${role ?? 'removed'}\t${fingerprint}`);
    return EXIT.done;
  },
});

const removeCommand = defineCommand({
  positionals: [POSITIONALS.oldKeyName],
  options: STORE_OPTIONS,
  examples: [['$0 key remove home-pc --repo /srv/llm-bridge/bridge.git', 'when the PC is sold, or stolen']],
  async run(args, { out, env }) {
    const line = await removeKey(storeOf(args, env), args.name);
    await out.print(line ?? `${args.name} was removed; no line of it stood in authorized_keys`);
    return EXIT.done;
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

function storeOf(
  { repo, authorizedKeys }: { readonly repo: string; readonly authorizedKeys: string | undefined },
  environment: NodeJS.ProcessEnv,
): KeyStore {
  // The line that join prints is pasted as root as well as by the owner.
  const repoPath = path.resolve(repo);
  const env = becomeOwner(repoPath, environment, process.argv.slice(2));
  const file = authorizedKeys ?? path.join(os.homedir(), '.ssh', 'authorized_keys');
  return { repoPath, authorizedKeysFile: path.resolve(file), env };
}
