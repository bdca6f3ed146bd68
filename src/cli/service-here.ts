import { realpathSync } from 'node:fs';
import os from 'node:os';
import type { Service, ServiceMachine } from '../admin/service/plan-service.js';
import { installService } from '../admin/service/run-service.js';
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

/** Installs a service, starts it, and prints what was done. Throws BridgeError as installService does. */
export async function installHere({ spec, plan }: Service, { out, env }: CommandIo): Promise<void> {
  const { changed, madeEnvFile } = await installService(spec, plan, env);
  const lines = [
    ...changed.map((file) => `wrote ${file}`),
    `${madeEnvFile ? 'made' : 'kept'} ${spec.envFile}, for variables such as LLM_BRIDGE_MODEL`,
    `${spec.name} is installed and started${plan.hint === null ? '' : `; ${plan.hint}`}`,
  ];
  await out.print(lines.join('\n'));
}
