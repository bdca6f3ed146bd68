import type { LocalBridge } from '../../bridge/local-bridge.js';
import { whoWorks } from '../../bridge/side-refs.js';
import { MAIN_REF } from '../../protocol/names.js';
import { gatewayFolder } from '../gateway-folder.js';
import { readTasks } from '../read-tasks.js';
import { judgeAgents } from './check-agents.js';
import { checkDisk, DEFAULT_DISK_THRESHOLDS, type DiskThresholds } from './check-disk.js';
import { checkGateway } from './check-gateway.js';
import { checkGit } from './check-git.js';
import { checkHistory } from './check-history.js';
import { checkHooks } from './check-hooks.js';
import { checkKeys } from './check-keys.js';
import { checkLocks } from './check-locks.js';
import { checkLog } from './check-log.js';
import { checkModes } from './check-modes.js';
import { checkOnAnswer } from './check-on-answer.js';
import { checkProtocol } from './check-protocol.js';
import { checkRefs } from './check-refs.js';
import { checkRepository } from './check-repository.js';
import { checkSettings } from './check-settings.js';
import type { Check, Verdict } from './finding.js';

/** The settings for the server's part of `doctor`. */
export interface ServerCheckOptions {
  readonly repoPath: string;
  /** The file sshd reads for the owner of the bridge. */
  readonly authorizedKeysFile: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether to remove what is proven to be stale. */
  readonly fix: boolean;
  readonly now: () => number;
  readonly disk?: DiskThresholds;
}

/** The checks of a bridge on this machine, in their order. */
export function serverChecks(options: ServerCheckOptions): Check[] {
  const { repoPath, env, fix, now, authorizedKeysFile, disk = DEFAULT_DISK_THRESHOLDS } = options;
  let opened: LocalBridge | null = null;
  const bridge = (): LocalBridge => {
    if (opened === null) throw new Error('the check "repository" comes first');
    return opened;
  };
  const gitDir = () => bridge().repo.gitDir;
  const found = (one: LocalBridge) => {
    opened = one;
  };
  const needs = ['repository'];
  return [
    { name: 'git', run: () => checkGit(env) },
    {
      name: 'repository',
      needs: ['git'],
      run: () => checkRepository(repoPath, { env, fix, nowMs: now(), found }),
    },
    { name: 'modes', needs, run: () => checkModes(gitDir(), bridge().settings.answersLog) },
    { name: 'hooks', needs, run: () => checkHooks(gitDir()) },
    { name: 'settings', needs, run: () => checkSettings(bridge().repo) },
    { name: 'keys', needs, run: () => checkKeys(gitDir(), authorizedKeysFile) },
    // This comes before the checks that read refs: a stale lock that it removes must not block them.
    { name: 'locks', needs, run: () => checkLocks(gitDir(), { fix, nowMs: now() }) },
    { name: 'refs', needs, run: () => checkRefs(bridge().repo, { fix, nowMs: now() }) },
    {
      name: 'history',
      needs,
      run: () => checkHistory(bridge().repo, { fix, nowMs: now(), logPath: bridge().settings.answersLog }),
    },
    {
      name: 'log',
      needs: [...needs, 'history'],
      run: () => checkLog(bridge().repo, bridge().settings.answersLog),
    },
    { name: 'agents', needs: [...needs, 'history'], run: () => checkAgents(bridge(), now()) },
    { name: 'protocol', needs: [...needs, 'history'], run: () => checkProtocol(bridge().repo, now()) },
    { name: 'on-answer', needs, run: () => checkOnAnswer(gitDir()) },
    {
      name: 'gateway',
      needs,
      run: () => checkGateway(gatewayFolder({ kind: 'local', url: gitDir() }), gitDir()),
    },
    { name: 'disk', needs, run: () => checkDisk(gitDir(), disk) },
  ];
}

/** Checks who is there to answer, and how many tasks wait. */
async function checkAgents({ repo, settings }: LocalBridge, nowMs: number): Promise<Verdict> {
  const who = await whoWorks(repo, 'refs/bridge/', nowMs);
  const takesClaims = settings.claimLeaseMs !== null;
  const context = { ref: MAIN_REF, nowMs, ttlMs: settings.taskTtlMs, who, takesClaims };
  const { rows, left } = await readTasks(repo, context, { pending: 0, expired: 0 });
  const waiting = left.pending;
  const working = new Set(rows.filter(({ state }) => state === 'running').map(({ task }) => task));
  return judgeAgents(who, { nowMs, takesClaims, waiting, working });
}
