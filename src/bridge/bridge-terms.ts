import { parseDurationMs } from '../protocol/duration.js';
import {
  FETCH_AHEAD_FEATURE,
  MODELS_FEATURE,
  PUSH_AHEAD_FEATURE,
  REQUESTS_FEATURE,
  SAY_AHEAD_FEATURE,
  STANDBY_FEATURE,
  STREAMS_FEATURE,
  WINDOW_FEATURE,
} from '../protocol/hello.js';
import { DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_TASK_BYTES, DEFAULT_TASK_TTL_MS } from '../protocol/limits.js';
import type { Principal } from '../protocol/names.js';
import { type BridgeSettings, leaseMs } from './bridge-settings.js';
import type { BridgeConnection } from './connection.js';
import { openLocalBridge } from './local-bridge.js';
import { sayHello } from './say-hello.js';

/** Who we are on a bridge, and its rules. */
export interface BridgeTerms {
  /** The name and role of our key; null for the owner, and where the server does not say. */
  readonly principal: Principal | null;
  readonly taskTtlMs: number;
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
  /** How long a claim holds a task; null where the bridge takes no claims. */
  readonly claimLeaseMs: number | null;
  /** Whether a stream of a task can be written and read there. */
  readonly hasStreams: boolean;
  /** Whether the session of a stream can be opened before its task is known (SAY_AHEAD_FEATURE). */
  readonly hasSayAhead: boolean;
  /**
   * Whether the session of a fetch can be opened before there is anything to fetch (FETCH_AHEAD_FEATURE).
   */
  readonly hasFetchAhead: boolean;
  /** Whether the session of a push can be opened before there is anything to push (PUSH_AHEAD_FEATURE). */
  readonly hasPushAhead: boolean;
  /** Whether API calls may be asked there. */
  readonly hasRequests: boolean;
  /** Whether agents may say there which models they have. */
  readonly hasModels: boolean;
  /** Whether it takes what a standby needs (STANDBY_FEATURE). */
  readonly hasStandby: boolean;
  /** Whether the server chooses the part of history that a reader wants (WINDOW_FEATURE). */
  readonly hasWindow: boolean;
  /** False where the server says that it cannot write a push. */
  readonly isWritable: boolean;
  /**
   * The server's clock, milliseconds since the epoch. Where the server has told its time, our own clock may
   * be set at any moment without effect. On the server itself, and where no time was told, it is our own
   * clock.
   */
  readonly serverNow: () => number;
}

/**
 * Asks the bridge for its terms: over ssh with `bridge-hello`, on this machine from the config. Throws
 * BridgeError as sayHello and openLocalBridge do.
 */
export async function readTerms(connection: BridgeConnection, signal?: AbortSignal): Promise<BridgeTerms> {
  if (connection.address.kind === 'local') {
    const { env, address } = connection;
    const { settings } = await openLocalBridge(address.url, { env, asOwner: true });
    return ownTerms(settings);
  }
  const greeting = connection.ssh === null ? null : await sayHello(connection.ssh, signal);
  const has = (feature: string, otherwise = false) => greeting?.hello.features.includes(feature) ?? otherwise;
  return {
    principal: greeting === null ? null : { name: greeting.hello.name, role: greeting.hello.role },
    taskTtlMs: parseDurationMs(greeting?.hello.task_ttl ?? '') ?? DEFAULT_TASK_TTL_MS,
    maxTaskBytes: greeting?.hello.max_task_bytes ?? DEFAULT_MAX_TASK_BYTES,
    maxAnswerBytes: greeting?.hello.max_answer_bytes ?? DEFAULT_MAX_ANSWER_BYTES,
    claimLeaseMs: leaseMs(greeting?.hello.claim_lease),
    hasStreams: has(STREAMS_FEATURE),
    hasSayAhead: has(SAY_AHEAD_FEATURE),
    hasFetchAhead: has(FETCH_AHEAD_FEATURE),
    hasPushAhead: has(PUSH_AHEAD_FEATURE),
    // Where no server says hello, no older hook refuses these two either, and readers judge for themselves.
    hasRequests: has(REQUESTS_FEATURE, true),
    hasStandby: has(STANDBY_FEATURE, true),
    hasModels: has(MODELS_FEATURE),
    hasWindow: has(WINDOW_FEATURE),
    isWritable: greeting?.hello.writable ?? true,
    serverNow: greeting?.serverNow ?? (() => Date.now()),
  };
}

/** The terms of a bridge on this machine, for its owner. */
export function ownTerms(settings: BridgeSettings): BridgeTerms {
  const { taskTtlMs, maxTaskBytes, maxAnswerBytes, claimLeaseMs } = settings;
  const serverNow = () => Date.now();
  return {
    principal: null,
    taskTtlMs,
    maxTaskBytes,
    maxAnswerBytes,
    claimLeaseMs,
    // A bridge whose init made no folder for streams has none; a writer then goes without.
    hasStreams: true,
    // A stream on this machine is a file, which needs no session.
    hasSayAhead: false,
    hasFetchAhead: false,
    hasPushAhead: false,
    hasRequests: true,
    // Where init has not opened the refs of models yet, a push of them fails, and nothing else does.
    hasModels: true,
    hasStandby: true,
    // Nothing is fetched here.
    hasWindow: false,
    // Whoever wants to know looks at its files.
    isWritable: true,
    serverNow,
  };
}
