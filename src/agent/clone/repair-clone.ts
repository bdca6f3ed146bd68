import { repairBridge } from '../../git/repair-bridge.js';
import { BridgeError, type BridgeErrorCode } from '../../protocol/bridge-error.js';
import { type AgentSession, setDue } from '../agent-session.js';
import { openQueueView } from '../queue/queue-view.js';
import { keepFinished } from './finished-answers.js';
import { clearLeftLocks, isSound, replaceClone } from './own-clone.js';

/** So long whoever works on a bridge of this machine is waited for, where a lock is left in it. Milliseconds. */
const REPAIR_WAIT_MS = 5_000;

/** Runs steps on the clone, and mends the clone where a step fails because of it. */
export interface CloneRepair {
  /** Does a step; where it failed for a lock that a killed git left or for a clone that is damaged, once more on a mended one. */
  run<T>(step: () => Promise<T>): Promise<T>;
}

/**
 * Failures by these codes are the other side's, or said to pass: they tell nothing about the clone. `history-rewritten` is none of them: to
 * a clone that lost the edge of its history, what continues it looks rewritten. A sound one is believed.
 */
const NOT_THE_CLONE: ReadonlySet<BridgeErrorCode> = new Set([
  ...(['ssh-auth', 'ssh-host', 'ssh-host-key', 'ssh-identity', 'unreachable'] as const),
  ...(['refused', 'rejected', 'protocol', 'role', 'no-main', 'other-owner', 'not-a-bridge'] as const),
  ...(['no-git', 'stuck-lock', 'disk-full'] as const),
]);

/** Makes the mender of a session. A running generation goes on meanwhile, and its answer is kept in the new clone. */
export function cloneRepair(session: AgentSession): CloneRepair {
  let mending: Promise<boolean> | null = null;
  /** Looked for already, in this row of failures: a long outage need not read the clone once a minute. */
  let isLookedAt = false;
  /** The same of the bridge. */
  let isRepaired = false;

  /** A bridge on this machine is nobody's to put right but whoever works on it; elsewhere its forced command does. */
  async function repair(): Promise<boolean> {
    const { address, env } = session.connection;
    if (address.kind !== 'local' || isRepaired) return false;
    isRepaired = true;
    const options = { waitMs: REPAIR_WAIT_MS, now: Date.now };
    const done = await repairBridge({ gitDir: address.url, env }, options).catch(() => []);
    for (const text of done)
      session.options.log('warn', `${text} (in the bridge)`, { event: 'bridge-repaired' });
    return done.length > 0;
  }

  /** True where something was mended. Two steps that fail at once share one mending. */
  function mend(): Promise<boolean> {
    mending ??= mendClone(session).finally(() => {
      mending = null;
    });
    return mending;
  }

  return {
    async run(step) {
      try {
        const value = await step();
        isLookedAt = false;
        isRepaired = false;
        return value;
      } catch (error) {
        if (session.options.signal.aborted) throw error;
        if (await repair()) return step();
        if (!mayBeTheClone(error)) throw error;
        if (isLookedAt && mending === null) throw error;
        isLookedAt = true;
        if (!(await mend())) throw error;
        const value = await step();
        isLookedAt = false;
        return value;
      }
    },
  };
}

function mayBeTheClone(error: unknown): boolean {
  if (!(error instanceof BridgeError)) return true;
  // A connection that broke in the middle may have broken at our end: a pack that cannot be read ends a push.
  return !NOT_THE_CLONE.has(error.code) && !error.code.startsWith('refused-');
}

async function mendClone(session: AgentSession): Promise<boolean> {
  const { clone, reader, options } = session;
  reader.renew();
  if (await clearLeftLocks(clone.gitDir)) {
    options.log('warn', 'removed a lock that a killed git had left in the clone', { event: 'clone-mended' });
    return true;
  }
  if (await isSound(clone)) return false;
  options.log('warn', `the clone ${clone.gitDir} is damaged; making a new one`, { event: 'clone-mended' });
  await replaceClone(clone);
  reader.renew();
  session.view = openQueueView(clone);
  session.tip = null;
  setDue(session, 'fetch');
  // What is known here need not have been readable there.
  for (const one of session.finished) await keepFinished(clone, one.answer);
  return true;
}
