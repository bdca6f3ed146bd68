import os from 'node:os';
import path from 'node:path';
import { type InitResult, initBridge } from '../../admin/init.js';
import { prepareSystem } from '../../admin/prepare-system.js';
import { shellQuote } from '../../process/shell-quote.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import { EXIT } from '../print-error.js';
import { runHereAs } from '../run-here-as.js';

/** The user who owns a bridge that root makes; the documentation uses this name. */
const SYSTEM_USER = 'bridge';

/**
 * Stands in the address for the name of the server: only root can tell it together with the port of sshd.
 */
const SERVER = '<server>';

/** `llm-bridge init <repo>` */
export const initCommand = defineCommand({
  positionals: [POSITIONALS.newRepo],
  options: [
    worded(OPTIONS.machine, 'As root: make a user and a folder for it, too'),
    { ...worded(OPTIONS.user, 'With --system: who owns it'), byDefault: SYSTEM_USER },
  ],
  examples: [
    ['$0 init /srv/llm-bridge/bridge.git --system', 'on the server, as root'],
    ['$0 init /srv/llm-bridge/bridge.git', 'as the user who shall own the bridge'],
  ],
  async run(args, io) {
    const { out, env } = io;
    const repo = path.resolve(args.repo);
    if (!args.system) {
      const address = `ssh://${ownName()}@${SERVER}${repo}`;
      await out.print(describe(await initBridge(repo, env), address));
      return EXIT.done;
    }
    const { user, made, sshdHint, server } = await prepareSystem(repo, args.user ?? SYSTEM_USER, env);
    for (const what of made) await out.print(`made ${what}`);
    const exitCode = await runHereAs(user, ['init', repo], io, (said) => said.replaceAll(SERVER, server));
    if (exitCode === EXIT.done && sshdHint !== null) await out.print(`But ${sshdHint}`);
    return exitCode;
  },
});

/** Who owns what is made here. Not $USER: after `su` it may name the user before, and cron has none. */
function ownName(): string {
  try {
    return os.userInfo().username;
  } catch {
    // The user id has no login name, as in some containers.
    return '<user>';
  }
}

/** The address, quoted where a shell needs that, once the name of the server stands in it. */
function quoteAddress(address: string): string {
  const plain = address.replace(SERVER, 'server');
  const isPlain = shellQuote(plain) === plain;
  return isPlain ? address : shellQuote(address);
}

function describe(result: InitResult, address: string): string {
  const { repoPath, answersLog, status, changed, upgrade } = result;
  if (upgrade !== null) {
    return [
      `${repoPath} upgraded from protocol ${upgrade.from}: ${changed.join(', ')}.`,
      `${answersLog} is written again: its records say who asked, and when.`,
      ...upgrade.aside.map((file) => `The old log is kept: ${file}`),
      'Next: update llm-bridge on every machine that asks or answers.',
    ].join('\n');
  }
  if (status === 'unchanged') return `${repoPath} is a bridge and up to date; nothing changed.`;
  if (status === 'upgraded') return `${repoPath} upgraded: ${changed.join(', ')}.`;
  return [
    `Made a bridge at ${repoPath}. Answers go to ${answersLog}.`,
    '',
    'Next, on the PC; it prints a line to paste here:',
    `  llm-bridge join ${quoteAddress(address)}`,
  ].join('\n');
}
