import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { localRepoSchema, readOptions } from '../options.js';
import type { ExitState } from '../print-error.js';

const argsSchema = z.object({ repo: localRepoSchema });

/** `llm-bridge init <repo>` */
export function initCommand(_exit: ExitState): CommandModule {
  return {
    command: 'init <repo>',
    describe: 'Make a bridge repository, or upgrade the hooks and settings of one',
    builder: (y) =>
      y
        .positional('repo', {
          type: 'string',
          demandOption: true,
          describe: 'Its path on this machine: /srv/llm-bridge/bridge.git',
        })
        .example('$0 init /srv/llm-bridge/bridge.git', 'on the server, as the user who shall own the bridge'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'init', ['repo']);
      const { initBridge } = await import('../../admin/init.js');
      const result = await initBridge(args.repo, process.env);
      process.stdout.write(`${describe(result)}\n`);
    },
  };
}

function describe(result: {
  repoPath: string;
  answersLog: string;
  status: string;
  changed: readonly string[];
}): string {
  const { repoPath, status } = result;
  if (status === 'unchanged') return `${repoPath} is a bridge and up to date; nothing changed.`;
  if (status === 'upgraded') return `${repoPath} upgraded: ${result.changed.join(', ')}.`;
  return [
    `Made a bridge at ${repoPath}. Answers go to ${result.answersLog}.`,
    '',
    'Next:',
    '  1. On the PC, make a key:       ssh-keygen -t ed25519 -f ~/.ssh/llm-bridge',
    '     and copy ~/.ssh/llm-bridge.pub here.',
    `  2. Here, let it answer:         llm-bridge key add home-pc --role agent --key llm-bridge.pub --repo ${repoPath}`,
    `  3. On the PC, start the agent:  llm-bridge agent --repo ssh://${process.env.USER ?? 'bridge'}@<server>${repoPath} --identity ~/.ssh/llm-bridge`,
    `  4. Here, ask:                   llm-bridge ask "2+2" --repo ${repoPath}`,
  ].join('\n');
}
