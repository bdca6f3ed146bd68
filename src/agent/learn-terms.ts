import os from 'node:os';
import { type BridgeTerms, readTerms } from '../bridge/bridge-terms.js';
import type { BridgeConnection } from '../bridge/connection.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { principalNameSchema } from '../protocol/names.js';
import type { AgentOptions } from './agent-options.js';
import type { AgentSession } from './agent-session.js';

/** A person is warned when the clocks differ by more than this. Milliseconds. */
const CLOCK_WARNING_MS = 2 * 60_000;

/**
 * Asks the bridge for its terms and for our name there, which is that of our key. Throws BridgeError `role`
 * for an asker's key, else as readTerms does.
 */
export async function learnTerms(
  context: {
    readonly options: AgentOptions;
    readonly connection: BridgeConnection;
    readonly session: AgentSession;
  },
  signal: AbortSignal,
): Promise<BridgeTerms> {
  const { options, connection, session } = context;
  const terms = await readTerms(connection, signal);
  if (terms.principal?.role === 'asker') {
    throw new BridgeError(`the key ${terms.principal.name} has the role asker and cannot answer`, {
      code: 'role',
      remedy:
        "on the server: llm-bridge key add <name> --role agent --key FILE.pub, with a key of the agent's own",
    });
  }
  const name = terms.principal?.name ?? options.name ?? hostName();
  const behindMs = terms.serverNow() - Date.now();
  // The terms are asked for again every hour, and the same news is not told twice.
  if (session.news.isNews(name, behindMs)) warn(options, name, behindMs);
  session.learnedTerms(terms, name);
  return terms;
}

/** Warns where our clock is wrong, and where the bridge has another name for us than `--name`. */
function warn(options: AgentOptions, name: string, behindMs: number): void {
  const { log } = options;
  if (Math.abs(behindMs) > CLOCK_WARNING_MS) {
    const off = `${formatDuration(Math.abs(behindMs))} ${behindMs > 0 ? 'behind' : 'ahead of'}`;
    log('warn', `the clock of this machine is ${off} the server's; answers are dated by the server's`, {
      event: 'clock',
      offset_ms: Math.round(behindMs),
    });
  }
  if (options.name !== undefined && options.name !== name) {
    log('warn', `--name ${options.name} is not used: the key is ${name}'s, and so are its answers`, {
      event: 'name',
      name,
    });
  }
}

function hostName(): string {
  const name = (os.hostname().split('.')[0] ?? '').replace(/[^A-Za-z0-9._-]/g, '-');
  return principalNameSchema.safeParse(name).success ? name : 'agent';
}

/** How far the clock may drift from a running timer before it counts as set. Milliseconds. */
const MAX_DRIFT_MS = 5_000;

/**
 * Notices that this machine's clock was set, or that the machine slept. The server's time does not depend on
 * it (`stopwatch.ts`), but a person should know how wrong the clock is now, and while the machine slept more
 * may have changed on the server.
 */
export interface ClockWatch {
  /** Whether it jumped since the last call, or since the start. */
  jumped(): boolean;
}

/** Starts watching. `wallMs` is the clock that may be set, `timerMs` one that only runs; milliseconds. */
export function watchClock(
  wallMs: () => number = Date.now,
  timerMs: () => number = () => performance.now(),
): ClockWatch {
  let offset = wallMs() - timerMs();
  return {
    jumped() {
      const now = wallMs() - timerMs();
      const isFar = Math.abs(now - offset) > MAX_DRIFT_MS;
      if (isFar) offset = now;
      return isFar;
    },
  };
}
