import { gitText, type Repository, runGit } from '../git/run-git.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';

/** Settings that are set at every init: the promises of the bridge rest on them. */
export const ENFORCED_SETTINGS: readonly (readonly [key: string, value: string])[] = [
  // The group may read (answers.log, status), nobody else anything, whatever the umask of who pushes.
  ['core.sharedRepository', '0640'],
  // The reflog is the doorbell, so a bare repository has to keep one.
  ['core.logAllRefUpdates', 'true'],
  // A hooks path in the owner's own git settings would switch the hooks off.
  ['core.hooksPath', 'hooks'],
  // What an agent was told is safe has to survive a power cut; git's default does not sync loose objects of a push.
  ['core.fsync', 'all'],
  ['receive.fsckObjects', 'true'],
  ['receive.denyNonFastForwards', 'true'],
  ['receive.denyDeletes', 'true'],
  ['receive.advertisePushOptions', 'false'],
  ['receive.shallowUpdate', 'false'],
  // A push of MAX_COMMITS_PER_PUSH messages of ordinary size fits many times; a flood is cut off while it comes in.
  ['receive.maxInputSize', '64m'],
  // The watcher's own memory; no business of anybody who fetches.
  ['transfer.hideRefs', 'refs/bridge/watch'],
  ['bridge.version', String(PROTOCOL_VERSION)],
];

/** Settings that are written once and then the owner's to change. */
export const DEFAULT_SETTINGS: readonly (readonly [key: string, value: string])[] = [
  ['bridge.taskTtl', '7d'],
  ['bridge.maxTaskBytes', '1048576'],
  ['bridge.maxAnswerBytes', '1048576'],
];

/** Brings the config of a repository in order. Answers the keys that changed. */
export async function applySettings(repo: Repository): Promise<string[]> {
  const changed: string[] = [];
  for (const [key, value] of ENFORCED_SETTINGS) {
    const now = await readAll(repo, key);
    if (now.length === 1 && now[0] === value) continue;
    await gitText(repo, ['config', '--local', '--replace-all', key, value]);
    changed.push(key);
  }
  for (const [key, value] of DEFAULT_SETTINGS) {
    if ((await readAll(repo, key)).length > 0) continue;
    await gitText(repo, ['config', '--local', key, value]);
    changed.push(key);
  }
  return changed;
}

async function readAll(repo: Repository, key: string): Promise<string[]> {
  const result = await runGit(repo, ['config', '--local', '-z', '--get-all', key]);
  return result.stdout.toString('utf8').split('\0').slice(0, -1);
}
