import type { BridgeSettings } from '../bridge/bridge-settings.js';
import { DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_TASK_BYTES, maxPushBytes } from '../protocol/limits.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';

/** A key of the config and all of its values, in their order. */
export type EnforcedSetting = readonly [key: string, ...values: string[]];

/** The refs beside main that every key may see. */
const SHOWN = ['!refs/bridge/claims', '!refs/bridge/agents', '!refs/bridge/models'] as const;

/**
 * Settings that every init enforces and that are the same in every bridge, because its guarantees depend on
 * them. `bridge/ssh-command` and `bridge/receive-pack` also give those about fetches and pushes to git on
 * the command line, so that they hold whatever the config says.
 */
export const FIXED_SETTINGS: readonly EnforcedSetting[] = [
  // The group may read (answers.log, status); others may do nothing, whatever the umask of the pusher.
  ['core.sharedRepository', '0640'],
  // The reflog is the doorbell, so a bare repository has to keep one.
  ['core.logAllRefUpdates', 'true'],
  // A hooks path in the owner's own git settings would switch off our hooks.
  ['core.hooksPath', 'hooks'],
  // An answer that the agent was told is safe has to survive a power cut. By default git does not sync the
  // loose objects of a push.
  ['core.fsync', 'all'],
  // The address space is limited during a push; git has to read packs of any size within that limit.
  ['core.packedGitWindowSize', '8m'],
  ['core.packedGitLimit', '64m'],
  ['core.deltaBaseCacheLimit', '16m'],
  // Known to git from 2.42 on. The tree of a bridge is flat.
  ['core.maxTreeDepth', '64'],
  ['pack.threads', '1'],
  ['pack.windowMemory', '32m'],
  ['receive.fsckObjects', 'true'],
  // The quarantine has the repository itself as its alternate. Without this, git would list all refs once
  // more at every push.
  ['core.alternateRefsCommand', 'true'],
  // A pusher learns as much as a fetcher. The hook still sees every ref that a push names.
  ['receive.hideRefs', 'refs', '!refs/heads/main', ...SHOWN],
  ['receive.denyNonFastForwards', 'true'],
  // It is about branches alone: claims can be deleted.
  ['receive.denyDeletes', 'true'],
  // An answer and the end of its claim arrive together or not at all.
  ['receive.advertiseAtomic', 'true'],
  ['receive.advertisePushOptions', 'false'],
  ['receive.shallowUpdate', 'false'],
  // The three objects of one message become small loose files. A larger push stays the pack that came:
  // unpacked, a few bytes of delta can be gigabytes of files before the hook is even asked.
  ['receive.unpackLimit', '4'],
  ['transfer.unpackLimit', '4'],
  // post-receive starts it, outside of the limits of a push.
  ['receive.autogc', 'false'],
  // gc runs in the background, and nobody waits for it. Packs beyond 64 MB stay as they are: a gc rewrites
  // what is new, not the archive.
  ['gc.auto', '6700'],
  ['gc.autoDetach', 'true'],
  ['gc.autoPackLimit', '50'],
  ['gc.bigPackThreshold', '64m'],
  ['gc.writeCommitGraph', 'true'],
  // Objects without a ref (an old claim, those of a killed ask) go with the next gc. An hour is many times
  // the length of a push, so objects that are still arriving are younger.
  ['gc.pruneExpire', '1.hour.ago'],
  // The doorbell reads the reflog. gc rewrites it, and every follower reads it again, so it is kept short.
  ['gc.reflogExpire', '1.hour.ago'],
  ['gc.reflogExpireUnreachable', '1.hour.ago'],
  // For example refs/bridge/watch, which `watch` writes and no fetch or push needs.
  ['transfer.hideRefs', 'refs/bridge', ...SHOWN],
  ['transfer.advertiseSID', 'false'],
  ['transfer.advertiseObjectInfo', 'false'],
  // Fetches get main, the agents, their models and claims, and nothing else: by ref, not by the id of any
  // object.
  ['uploadpack.hideRefs', 'refs', '!refs/heads/main', ...SHOWN],
  ['uploadpack.allowTipSHA1InWant', 'false'],
  ['uploadpack.allowReachableSHA1InWant', 'false'],
  ['uploadpack.allowAnySHA1InWant', 'false'],
  ['uploadpack.allowRefInWant', 'false'],
  // An asker leaves out large files: a photo of somebody else would come with every question. No other
  // filter is allowed: one of them names an object of the server by its id.
  ['uploadpack.allowFilter', 'true'],
  ['uploadpackfilter.allow', 'false'],
  ['uploadpackfilter.blob:limit.allow', 'true'],
  ['bridge.version', String(PROTOCOL_VERSION)],
];

/**
 * All settings that every init enforces. Two depend on the largest message the bridge takes, so run init
 * again after a change of `bridge.maxTaskBytes` or `bridge.maxAnswerBytes`.
 */
export function enforcedSettings(
  limits: Pick<BridgeSettings, 'maxTaskBytes' | 'maxAnswerBytes'>,
): EnforcedSetting[] {
  const largest = Math.max(limits.maxTaskBytes, limits.maxAnswerBytes);
  return [
    // A blob larger than any message is streamed to the disk instead of held in memory. The hook refuses it
    // by its size.
    ['core.bigFileThreshold', String(2 * largest)],
    ['receive.maxInputSize', String(maxPushBytes(limits))],
    ...FIXED_SETTINGS,
  ];
}

/** A setting in the section `[bridge]` that the owner may change. */
export interface OwnerSetting {
  readonly key: string;
  /** The value where it is not set. */
  readonly fallback: string;
  /** Its description for a person who sets it. */
  readonly describe: string;
  /** False for a setting that most bridges never need: `init` leaves it out. */
  readonly isWrittenByInit: boolean;
}

/**
 * The owner's settings, in the order of docs/settings.md, which is generated from them. `readBridgeSettings`
 * reads them, and `hooks/ssh-command` reads the limits of a push; a test compares the keys and defaults with
 * both.
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
    fallback: String(DEFAULT_MAX_TASK_BYTES),
    describe: 'The largest `task.txt` or `task.json`, in bytes. Run `init` again after a change',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.maxAnswerBytes',
    fallback: String(DEFAULT_MAX_ANSWER_BYTES),
    describe: 'The largest `inbox.json`, in bytes. Run `init` again after a change',
    isWrittenByInit: true,
  },
  {
    key: 'bridge.maxStreamBytes',
    fallback: '16777216',
    describe: 'The most that is kept of what is said of one task while it is generated, in bytes',
    isWrittenByInit: false,
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
