import { modelsRef, writeModels } from '../../../src/protocol/models.js';
import { waitUntil } from '../../support/wait-until.js';
import { askOnce } from '../ask-once.js';
import { startAgent } from '../bench-agent.js';
import type { Lab, LabBridge } from '../lab.js';
import { followLog } from '../log-follower.js';
import { prepareBridge } from '../prepare-bridge.js';
import type { Figure } from '../report.js';
import type { Row } from '../row-context.js';
import { runProgram } from '../run-program.js';
import { summarise } from '../statistics.js';

/** So many tasks are open that no model of the agent answers. */
const ASIDE = 10_000;

/** The model that only another PC has, which is not there. */
const AWAY = { agent: 'office', model: 'qwen3:8b' } as const;

const HISTORY = { answered: 100, recent: 100 };

/**
 * Questions beside ten thousand open tasks that no model of the agent is for: a cancelled batch, which the
 * agent ends meanwhile, and one for the model of a PC that sleeps. Against questions beside none.
 */
export const asideRow: Row = async ({ lab, program, options }) => {
  const many = { ...HISTORY, pending: ASIDE };
  const bridges = {
    none: await prepareBridge(lab, 'aside-none', HISTORY),
    away: await prepareBridge(lab, 'aside-away', { ...many, pendingModel: AWAY.model }),
    cancelled: await prepareBridge(lab, 'aside-cancelled', { ...many, areCancelled: true }),
  };
  await sayModels(lab, bridges.away);
  const figures: Figure[] = [];
  let floor = '';
  for (const [name, bridge] of Object.entries(bridges)) {
    const log = await followLog(bridge.logPath);
    const before = (await log.records()).length;
    const agent = await startAgent(lab, program, bridge);
    await askOnce(lab, bridge, log, 'What is 1 + 1?');
    if (name === 'cancelled')
      await waitUntil(async () => (await log.records()).length > before + 1, 'the first is ended');
    const ms: number[] = [];
    for (let run = 0; run < (options.runs ?? 3) * 3; run += 1)
      ms.push((await askOnce(lab, bridge, log, `What is ${run} + ${run}?`)).overheadMs);
    await agent.stop();
    const value = summarise(ms);
    const what = {
      none: 'a question beside no other task',
      away: `a question beside ${ASIDE.toLocaleString('en')} tasks for the model of a PC that sleeps`,
      cancelled: `a question while ${ASIDE.toLocaleString('en')} cancelled tasks are ended`,
    }[name as keyof typeof bridges];
    figures.push({ row: 'aside', what, unit: 'ms', value, ...(floor === '' ? {} : { against: floor }) });
    if (name === 'none') floor = `${value.median.toFixed(0)} ms beside none`;
  }
  return figures;
};

/** What the other PC has. */
async function sayModels(lab: Lab, { repoPath }: LabBridge): Promise<void> {
  const models = [{ name: AWAY.model, backend: 'ollama', can: [] }];
  const said = writeModels({ agent: AWAY.agent, at: new Date().toISOString(), models });
  const { stdout } = await runProgram('git', ['--git-dir', repoPath, 'hash-object', '-w', '--stdin'], {
    env: lab.env,
    input: [said.toString('utf8')],
  });
  await lab.git(repoPath, ['update-ref', modelsRef(AWAY.agent), stdout.trim()]);
}
