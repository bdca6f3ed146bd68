import pc from 'picocolors';
import { listModels, type ModelAgent, type ModelRow } from '../../admin/list-models.js';
import { formatAge } from '../../protocol/duration.js';
import { oneLine } from '../../protocol/printable.js';
import { defineCommand } from '../command.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT, printWarning } from '../print-error.js';

/** `llm-bridge models --repo R` */
export const modelsCommand = defineCommand({
  options: [OPTIONS.repo, worded(OPTIONS.json, 'One line of JSON a model'), ...SSH_OPTIONS],
  examples: [
    ['$0 models --repo /srv/llm-bridge/bridge.git', 'what can be asked by --model, and where it is'],
    ['$0 models --json --repo /srv/llm-bridge/bridge.git', 'for programs'],
  ],
  async run(args, { out, env }) {
    const { rows, nowMs, problem } = await listModels(accessOf(args, env));
    const width = Math.max(...rows.map(({ model }) => oneLine(model).length));
    for (const row of rows) await (args.json ? out.json(row) : out.print(formatModelRow(row, width, nowMs)));
    if (problem !== null) printWarning(`no models: ${problem.text}`, problem.remedy);
    return EXIT.done;
  },
});

/** `llama3.2:latest  ollama: chat, tools  →  home-pc (loaded), office (stopped, seen 3 h ago)`. */
function formatModelRow({ model, backend, can, agents }: ModelRow, width: number, nowMs: number): string {
  const what = [backend ?? 'unknown backend', ...(can.length === 0 ? [] : [can.join(', ')])].join(': ');
  const where = agents.map((agent) => formatAgent(agent, nowMs)).join(', ');
  return `${pc.bold(oneLine(model).padEnd(width))}  ${what}  →  ${where}`;
}

function formatAgent({ name, state, loaded, seen_at }: ModelAgent, nowMs: number): string {
  const words = [
    ...(state === 'running' ? [] : [state === 'unknown' ? 'never seen' : state]),
    ...(loaded === true ? ['loaded'] : []),
    ...(seen_at === null || state === 'running'
      ? []
      : [`seen ${formatAge(Math.max(0, nowMs - Date.parse(seen_at)))} ago`]),
  ];
  const told = words.length === 0 ? '' : ` (${words.join(', ')})`;
  return state === 'running' ? `${pc.green(oneLine(name))}${told}` : `${oneLine(name)}${told}`;
}
