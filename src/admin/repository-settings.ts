import { open } from 'node:fs/promises';
import path from 'node:path';
import { type BridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { readLocalConfig, writeLocalConfig } from '../git/porcelain.js';
import type { Repository } from '../git/run-git.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';

/** A key of the config and all of its values, in their order. */
export type EnforcedSetting = readonly [key: string, ...values: string[]];

/** The least `receive.maxInputSize`: twice what an agent puts into one push (16 MiB of answers). */
const MIN_INPUT_BYTES = 32 * 1024 * 1024;

/**
 * Settings that are set at every init: the promises of the bridge rest on them. Two follow from the largest message the
 * bridge takes, so a change of `bridge.maxTaskBytes` or `bridge.maxAnswerBytes` wants another init.
 */
export function enforcedSettings(
  limits: Pick<BridgeSettings, 'maxTaskBytes' | 'maxAnswerBytes'>,
): EnforcedSetting[] {
  const largest = Math.max(limits.maxTaskBytes, limits.maxAnswerBytes);
  return [
    // The group may read (answers.log, status), nobody else anything, whatever the umask of who pushes.
    ['core.sharedRepository', '0640'],
    // The reflog is the doorbell, so a bare repository has to keep one.
    ['core.logAllRefUpdates', 'true'],
    // A hooks path in the owner's own git settings would switch the hooks off.
    ['core.hooksPath', 'hooks'],
    // What an agent was told is safe has to survive a power cut; git's default does not sync loose objects of a push.
    ['core.fsync', 'all'],
    // A blob larger than any message is streamed to the disk instead of held in memory. The hook refuses it by its size.
    ['core.bigFileThreshold', String(2 * largest)],
    // Address space and memory are limited while a push comes in; packs of any size have to be read within that.
    ['core.packedGitWindowSize', '8m'],
    ['core.packedGitLimit', '64m'],
    ['core.deltaBaseCacheLimit', '16m'],
    // Known to git from 2.42 on. The tree of a bridge is flat.
    ['core.maxTreeDepth', '64'],
    ['pack.threads', '1'],
    ['pack.windowMemory', '32m'],
    ['receive.fsckObjects', 'true'],
    // Objects in quarantine have the repository itself for their alternate: git would have all of its refs listed, once more, at every push.
    ['core.alternateRefsCommand', 'true'],
    // Who pushes is told as much as who fetches. The hook still sees every ref that a push names.
    ['receive.hideRefs', 'refs', '!refs/heads/main', '!refs/bridge/claims', '!refs/bridge/agents'],
    ['receive.denyNonFastForwards', 'true'],
    // It is about branches alone: claims are deleted.
    ['receive.denyDeletes', 'true'],
    // An answer and the end of its claim come in together or not at all.
    ['receive.advertiseAtomic', 'true'],
    ['receive.advertisePushOptions', 'false'],
    ['receive.shallowUpdate', 'false'],
    ['receive.maxInputSize', String(Math.max(MIN_INPUT_BYTES, 8 * largest))],
    // The three objects of one message become loose files, as small as they are. Of anything more the pack is kept as it
    // came: unpacked, a few bytes of delta can be gigabytes of files before the hook is even asked.
    ['receive.unpackLimit', '4'],
    ['transfer.unpackLimit', '4'],
    // post-receive does it, outside of the limits a push has.
    ['receive.autogc', 'false'],
    // The upkeep goes on by itself, and nobody waits for it. Packs beyond 64 MB are left as they are: a gc rewrites what
    // is new, not the archive.
    ['gc.auto', '6700'],
    ['gc.autoDetach', 'true'],
    ['gc.autoPackLimit', '50'],
    ['gc.bigPackThreshold', '64m'],
    ['gc.writeCommitGraph', 'true'],
    // Whatever no ref holds any more (an old claim, the objects of an ask that was killed) goes with the next gc. An hour is many times
    // what a push may take, and objects that are on their way in are younger.
    ['gc.pruneExpire', '1.hour.ago'],
    // The reflog is there to ring by. gc writes it anew, and who follows it reads all of that again, so it is kept short.
    ['gc.reflogExpire', '1.hour.ago'],
    ['gc.reflogExpireUnreachable', '1.hour.ago'],
    // The watcher's own memory, say; no business of anybody who fetches or pushes.
    ['transfer.hideRefs', 'refs/bridge', '!refs/bridge/claims', '!refs/bridge/agents'],
    ['transfer.advertiseSID', 'false'],
    ['transfer.advertiseObjectInfo', 'false'],
    // main, and which agents there are and what they work on. Nothing else is fetched, by its tip and not by the id of just
    // any object, and whole.
    ['uploadpack.hideRefs', 'refs', '!refs/heads/main', '!refs/bridge/claims', '!refs/bridge/agents'],
    ['uploadpack.allowTipSHA1InWant', 'false'],
    ['uploadpack.allowReachableSHA1InWant', 'false'],
    ['uploadpack.allowAnySHA1InWant', 'false'],
    ['uploadpack.allowRefInWant', 'false'],
    ['uploadpack.allowFilter', 'false'],
    ['bridge.version', String(PROTOCOL_VERSION)],
  ];
}

/** A setting of the section `[bridge]` that is the owner's to change. */
export interface OwnerSetting {
  readonly key: string;
  /** What counts where it is not set. */
  readonly fallback: string;
  /** What it says, for a person who sets it. */
  readonly describe: string;
  /** False for what most bridges never set: `init` leaves it out. */
  readonly isWrittenByInit: boolean;
}

/**
 * The owner's settings, in the order of docs/settings.md, which is made of them. What reads them is `readBridgeSettings`, and
 * `hooks/ssh-command` for the limits of a push; a test compares the keys and the fallbacks with both.
 */
export const OWNER_SETTINGS: readonly OwnerSetting[] = [
  {
    key: 'bridge.taskTtl',
    fallback: '7d',
    describe:
      'How long a task waits for an answer: `90s`, `15m`, `12h`, `7d`, `2w`. An answer that comes later is refused',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.maxTaskBytes',
    fallback: '1048576',
    describe: 'The largest `task.txt` or `task.json`, in bytes. Run `init` again after a change',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.maxAnswerBytes',
    fallback: '1048576',
    describe: 'The largest `inbox.json`, in bytes. Run `init` again after a change',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.claimLease',
    fallback: '60s',
    describe:
      'How long a task is kept for an agent that works on it and gives no sign of life; at most `5m`. `0`: agents do not share',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.receiveTimeout',
    fallback: '300',
    describe: 'How many seconds a push may take from its first byte to its last',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.onAnswerTimeout',
    fallback: '60s',
    describe: 'How long an executable in `on-answer.d` may take for one record',
    isWrittenByInit: false,
  },
  {
    key: 'bridge.onAnswerRetry',
    fallback: '5s',
    describe: 'How long one that failed waits before it is tried again; twice that the next time',
    isWrittenByInit: false,
  },
  {
    key: 'bridge.answersLog',
    fallback: 'bridge/answers.log',
    describe: 'Where the log is; a relative path is in the repository. Its folder has to exist',
    isWrittenByInit: false,
  },
];

/** Settings that are written once and then the owner's to change. */
const DEFAULT_SETTINGS = OWNER_SETTINGS.filter((one) => one.isWrittenByInit).map(
  ({ key, fallback }) => [key, fallback] as const,
);

/** An enforced setting that is not as init writes it; `now` is empty where it is unset. */
export interface WrongSetting {
  readonly key: string;
  readonly wanted: readonly string[];
  readonly now: readonly string[];
}

/** Holds the config of a repository against what init writes. */
export async function findWrongSettings(repo: Repository): Promise<WrongSetting[]> {
  const wrong: WrongSetting[] = [];
  const all = await readLocalConfig(repo);
  for (const [key, ...wanted] of enforcedSettings(await readBridgeSettings(repo))) {
    const now = all.get(key.toLowerCase()) ?? [];
    if (now.length !== wanted.length || now.some((value, at) => value !== wanted[at]))
      wrong.push({ key, wanted, now });
  }
  return wrong;
}

/**
 * Gives a repository that was made just now, and that nobody else knows yet, all of its settings at once: with a git for each, they are what
 * an init waits for. `applySettings` holds them against what git reads, should a value ever want quotes.
 */
export async function writeSettings(repo: Repository): Promise<void> {
  const settings = [...enforcedSettings(await readBridgeSettings(repo)), ...DEFAULT_SETTINGS];
  const sections = new Map<string, string[]>();
  for (const [key, ...values] of settings) {
    const [section = '', name = ''] = key.split('.');
    const lines = sections.get(section) ?? [];
    sections.set(section, [...lines, ...values.map((value) => `\t${name} = ${value}\n`)]);
  }
  const text = [...sections].map(([section, lines]) => `[${section}]\n${lines.join('')}`);
  const config = await open(path.join(repo.gitDir, 'config'), 'a');
  try {
    await config.writeFile(text.join(''));
    await config.sync();
  } finally {
    await config.close();
  }
}

/** Brings the config of a repository in order. Answers the keys that changed. */
export async function applySettings(repo: Repository): Promise<string[]> {
  const changed: string[] = [];
  for (const { key, wanted } of await findWrongSettings(repo)) {
    await writeLocalConfig(repo, key, wanted);
    changed.push(key);
  }
  const all = await readLocalConfig(repo);
  for (const [key, value] of DEFAULT_SETTINGS) {
    if (all.has(key.toLowerCase())) continue;
    await writeLocalConfig(repo, key, [value]);
    changed.push(key);
  }
  return changed;
}
