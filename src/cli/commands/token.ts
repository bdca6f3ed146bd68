import { findTokenFile } from '../../admin/token-file.js';
import { addToken, listTokens, removeToken } from '../../admin/tokens.js';
import { shellQuote } from '../../process/shell-quote.js';
import { defineCommand, defineGroup } from '../command.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { EXIT } from '../print-error.js';

const addCommand = defineCommand({
  positionals: [POSITIONALS.tokenName],
  options: [OPTIONS.repo],
  examples: [['$0 token add bot --repo /srv/llm-bridge/bridge.git', 'printed once, and kept nowhere']],
  async run({ repo, name }, { out, env }) {
    const token = await addToken(await findTokenFile(repo, env), name, Date.now());
    await out.print(
      token,
      `make room where it goes, llm-bridge token remove ${name}, and add it again: it is printed only once`,
    );
    return EXIT.done;
  },
});

const listCommand = defineCommand({
  options: [OPTIONS.repo],
  examples: [['$0 token list --repo /srv/llm-bridge/bridge.git', 'one line a token']],
  async run({ repo }, { out, env }) {
    for (const { name, addedAt, madeBy } of listTokens(await findTokenFile(repo, env)))
      await out.print(`${name}\t${addedAt}${madeBy === null ? '' : `\tmade with ${madeBy}`}`);
    return EXIT.done;
  },
});

const removeCommand = defineCommand({
  positionals: [POSITIONALS.oldTokenName],
  options: [OPTIONS.repo],
  examples: [['$0 token remove bot --repo /srv/llm-bridge/bridge.git', 'when others may know it']],
  async run({ repo, name }, { out, env }) {
    const file = await findTokenFile(repo, env);
    await removeToken(file, name);
    const isLast = listTokens(file).length === 0;
    const rest = `no token is left, so nobody may call; to let all of this machine in: rm ${shellQuote(file)}`;
    await out.print(`${name} was removed${isLast ? `; ${rest}` : ''}`);
    return EXIT.done;
  },
});

/** `llm-bridge token add|list|remove` */
export const tokenCommand = defineGroup({
  options: [OPTIONS.repo],
  examples: [
    ['$0 token add bot --repo /srv/llm-bridge/bridge.git', 'a token for a program that calls serve'],
    ['$0 token list --repo /srv/llm-bridge/bridge.git', 'who may call'],
  ],
  commands: [
    { usage: 'add <name>', describe: 'Make a token for calls to serve, and print it', command: addCommand },
    { usage: 'list', describe: 'List the tokens: name, since when', command: listCommand },
    { usage: 'remove <name>', describe: 'Refuse a token from now on', command: removeCommand },
  ],
});
