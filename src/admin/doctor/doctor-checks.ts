import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseAddress } from '../../bridge/address.js';
import { openConnection } from '../../bridge/connection.js';
import type { SshOptions } from '../../bridge/ssh-settings.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import type { Role } from '../../protocol/names.js';
import { gatewayFolder } from '../gateway-folder.js';
import { type AgentCheckOptions, agentChecks, stateDirOf } from './agent-checks.js';
import { checkDisk, DEFAULT_DISK_THRESHOLDS } from './check-disk.js';
import { checkGateway } from './check-gateway.js';
import { checkGit } from './check-git.js';
import { checkServices, installedServices } from './check-services.js';
import type { Check } from './finding.js';
import { remoteChecks } from './remote-checks.js';
import { serverChecks } from './server-checks.js';

/** The options of `doctor`. */
export interface DoctorOptions extends Omit<AgentCheckOptions, 'url'> {
  readonly repo: string;
  readonly ssh: SshOptions;
  readonly role?: Role | undefined;
  readonly authorizedKeysFile?: string | undefined;
  readonly fix: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Yields the checks for this machine, one after the other: those of a local bridge, those of the way to a
 * remote one, and those of the agent where this machine answers, or might. Throws BridgeError `usage`.
 */
export async function* doctorChecks(options: DoctorOptions): AsyncGenerator<Check> {
  const { repo, env, now, role } = options;
  const address = parseAddress(repo);
  if (options.fix && address.kind !== 'local') {
    throw new BridgeError('--fix needs the files of the bridge', {
      code: 'usage',
      remedy: 'run it on the server, with the path of the bridge: llm-bridge doctor --fix --repo PATH',
    });
  }
  let keyRole: Role | undefined;
  const here = {
    platform: process.platform,
    home: os.homedir(),
    configHome: env.XDG_CONFIG_HOME,
    localAppData: env.LOCALAPPDATA,
    uid: process.getuid?.() ?? 0,
  };
  if (installedServices(here).length > 0) yield { name: 'services', run: () => checkServices(here, env) };
  if (address.kind === 'local') {
    yield* serverChecks({
      repoPath: address.url,
      authorizedKeysFile: path.resolve(
        options.authorizedKeysFile ?? path.join(os.homedir(), '.ssh', 'authorized_keys'),
      ),
      env,
      fix: options.fix,
      now,
    });
    if (role !== 'agent') return;
  } else {
    const connection = await openConnection(repo, env, options.ssh).catch((error: unknown) => {
      if (isWithoutGit(error)) return null;
      throw error;
    });
    // Without a usable git, the way to the server cannot be checked.
    if (connection === null) yield { name: 'git', run: () => checkGit(env) };
    else {
      yield* remoteChecks({
        connection,
        identity: options.ssh.identity,
        role,
        now,
        onHello: (hello) => {
          keyRole = hello.role;
        },
      });
    }
    const folder = gatewayFolder(address);
    if (existsSync(folder)) yield { name: 'gateway', run: () => checkGateway(folder, address.url) };
    // On a machine that is to answer, an asker's key is the wrong key. The model server is checked all the
    // same.
    if ((role ?? keyRole) === 'asker') return;
  }
  const agent = { ...options, url: address.url };
  yield* agentChecks(agent);
  const dir = stateDirOf(agent);
  yield { name: 'state-disk', run: () => checkDisk(dir, DEFAULT_DISK_THRESHOLDS) };
}

function isWithoutGit(error: unknown): boolean {
  return error instanceof BridgeError && (error.code === 'no-git' || error.code === 'old-git');
}
