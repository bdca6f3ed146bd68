import { type InitResult, initBridge } from '../../admin/init.js';
import { defineCommand } from '../command.js';
import { POSITIONALS } from '../options.js';
import { EXIT } from '../print-error.js';

/** `llm-bridge init <repo>` */
export const initCommand = defineCommand({
  positionals: [POSITIONALS.newRepo],
  options: [],
  examples: [['$0 init /srv/llm-bridge/bridge.git', 'on the server, as the user who shall own the bridge']],
  async run({ repo }, { out, env }) {
    await out.print(describe(await initBridge(repo, env), env));
    return EXIT.done;
  },
});

function describe(result: InitResult, env: NodeJS.ProcessEnv): string {
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
    'Next:',
    '  1. On the PC, make a key:       ssh-keygen -t ed25519 -f ~/.ssh/llm-bridge',
    '     and copy ~/.ssh/llm-bridge.pub here.',
    `  2. Here, let it answer:         llm-bridge key add home-pc --role agent --key llm-bridge.pub --repo ${repoPath}`,
    `  3. On the PC, start the agent:  llm-bridge agent --repo ssh://${env.USER ?? 'bridge'}@<server>${repoPath} --identity ~/.ssh/llm-bridge`,
    `  4. Here, ask:                   llm-bridge ask "2+2" --repo ${repoPath}`,
  ].join('\n');
}
