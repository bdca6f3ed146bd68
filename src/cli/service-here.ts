import { realpathSync } from 'node:fs';
import os from 'node:os';
import type { Service, ServiceMachine } from '../admin/service/plan-service.js';
import { installService } from '../admin/service/run-service.js';
import { requireStarted } from '../admin/service/service-state.js';
import { ownNode } from '../process/own-node.js';
import type { CommandIo } from './command.js';

/** The machine that the command line runs on, as a service is planned for it. */
export function thisMachine(env: NodeJS.ProcessEnv): ServiceMachine {
  return {
    platform: process.platform,
    env,
    home: os.homedir(),
    uid: process.getuid?.() ?? 0,
    userName: () => os.userInfo().username,
    program: [ownNode(), realpathSync(process.argv[1] ?? '')],
  };
}

/** Installs and starts a service, and says what was done. Throws as installService and requireStarted do. */
export async function installHere({ spec, plan }: Service, { out, env }: CommandIo): Promise<void> {
  const { changed, madeEnvFile } = await installService(spec, plan, env);
  const files = changed.map((file) => `wrote ${file}\n`);
  const made = `${madeEnvFile ? 'made' : 'kept'} ${spec.envFile}, for variables such as LLM_BRIDGE_MODEL`;
  await out.print(`${files.join('')}${made}`);
  await requireStarted(spec, plan, env);
  await out.print(`${spec.name} is installed and started${plan.hint === null ? '' : `; ${plan.hint}`}`);
}
