import { clientGitEnv } from '../git/git-env.js';
import { requireGit } from '../git/git-version.js';
import { clearTheWay } from '../git/repair-bridge.js';
import { parseDurationMs } from '../protocol/duration.js';
import {
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
import { type BridgeAddress, parseAddress } from './address.js';
import { type BridgeSettings, leaseMs } from './bridge-settings.js';
import { withCredentials } from './credentials.js';
import { type Doorbell, openLocalDoorbell, openSshDoorbell, type Ring } from './doorbell.js';
import { openLocalBridge } from './local-bridge.js';
import { planSharing } from './plan-sharing.js';
import type { SshConnection } from './run-ssh.js';
import { sayHello } from './say-hello.js';
import { openSharedConnection } from './shared-connection.js';
import { readSshConfig } from './ssh-config.js';
import { impersonalOptions, type SshOptions, sshCommandOf, withOptions } from './ssh-settings.js';

/** Where a bridge is, and how to come in. */
export interface BridgeAccess {
  /** `ssh://user@host/path`, `user@host:path`, or a local path. */
  readonly repo: string;
  /** The environment for git and ssh. */
  readonly env: NodeJS.ProcessEnv;
  readonly ssh?: SshOptions | undefined;
}

/** The way to a bridge, wherever it is. Opening it connects to nobody yet; close it with closeConnection. */
export interface BridgeConnection {
  readonly address: BridgeAddress;
  /** The environment for git on our side, ssh command included. */
  readonly env: NodeJS.ProcessEnv;
  /** Null where there is no ssh to the bridge. */
  readonly ssh: SshConnection | null;
}

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

/** Reads an address and finds the ssh command. Throws BridgeError `usage`, `no-git`, `old-git`. */
export async function openConnection(
  repo: string,
  env: NodeJS.ProcessEnv,
  options: SshOptions = {},
): Promise<BridgeConnection> {
  const address = parseAddress(repo);
  const plainEnv = clientGitEnv(env);
  if (address.kind !== 'ssh') {
    await requireGit(plainEnv);
    const given = address.kind === 'other' ? address.credentials : undefined;
    const gitEnv = given === undefined ? plainEnv : withCredentials(plainEnv, given);
    return { address, env: gitEnv, ssh: null };
  }
  const planned = sshCommandOf(plainEnv, options).then(async (given) => {
    const config = given.isOpenSsh ? await readSshConfig({ address, ssh: given, env: plainEnv }) : null;
    const commandFor = (isMaster: boolean) =>
      withOptions(given, impersonalOptions(config ?? new Map(), isMaster));
    const ssh = commandFor(false);
    return { ssh, masterSsh: commandFor(true), plan: await planSharing(address, ssh, plainEnv, config) };
  });
  const [{ ssh, masterSsh, plan }] = await Promise.all([planned, requireGit(plainEnv)]);
  const riding = plan.by === 'nobody' ? ssh : withOptions(ssh, plan.options);
  // It is known to be OpenSSH by now. Behind a wrapper, git would start it once more at every connection to
  // find out.
  const known = plan.by === 'nobody' ? {} : { GIT_SSH_VARIANT: 'ssh' };
  const gitEnv = { ...known, ...clientGitEnv(env, riding.text) };
  const shared =
    plan.by === 'us'
      ? openSharedConnection({ address, ssh: masterSsh, env: plainEnv }, plan.location)
      : undefined;
  return { address, env: gitEnv, ssh: { address, ssh: riding, env: gitEnv, shared } };
}

/**
 * Makes sure that the shared connection to the bridge stands, if there is to be one. On a local bridge it
 * also removes what blocks a push; elsewhere the forced command does that. Call it before a fetch or a push.
 * Throws BridgeError where the server cannot be reached or refuses us.
 */
export async function connectBridge(connection: BridgeConnection, signal?: AbortSignal): Promise<void> {
  const { address, env } = connection;
  if (address.kind === 'local') await clearTheWay({ gitDir: address.url, env });
  await connection.ssh?.shared?.ready(signal);
}

/** Ends the shared connection and everything that still uses it. */
export async function closeConnection(connection: BridgeConnection): Promise<void> {
  await connection.ssh?.shared?.close();
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

/**
 * Opens the doorbell of the bridge: its reflog. A bridge behind neither a path nor ssh has none, and the
 * caller has to poll. `alone`: not over the shared connection, which can rest then.
 */
export function openDoorbell(
  connection: BridgeConnection,
  notifier: Ring,
  options: { readonly alone?: boolean } = {},
): Doorbell {
  if (connection.address.kind === 'local') return openLocalDoorbell(connection.address.url, notifier);
  if (connection.ssh !== null) return openSshDoorbell(connection.ssh, notifier, options);
  return { connected: () => false, close: async () => {} };
}
