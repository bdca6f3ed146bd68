import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import type { AgentOptions } from './agent-options.js';
import { runAgent } from './run-agent.js';

/** The wait before a bridge that broke is opened again; it doubles up to the longest. Milliseconds. */
const FIRST_AGAIN_MS = 60_000;
const LAST_AGAIN_MS = 15 * 60_000;

/**
 * Runs an agent on each of these bridges, until their signal aborts. They share the models (`ModelRoom`) and
 * the idle command (`IdleGroup`). What ends one of them (a wrong key, another protocol, a damaged record) is
 * logged, and it is opened again later, while the others go on. With `once` each is run once, and the first
 * failure is thrown at the end. A failure of a single bridge is always thrown at once. Throws as runAgent
 * does.
 */
export async function runAgents(bridges: readonly AgentOptions[]): Promise<void> {
  const [only, ...others] = bridges;
  if (only === undefined) return;
  if (others.length === 0) return runAgent(only);
  const failures = await Promise.all(bridges.map(runOn));
  const failure = failures.find((one) => one !== null);
  if (failure !== undefined) throw failure;
}

/** Runs one of several. Returns its failure where it ends with one, else null. */
async function runOn(options: AgentOptions): Promise<unknown> {
  const { signal, log, once } = options;
  for (let againMs = FIRST_AGAIN_MS; ; againMs = Math.min(againMs * 2, LAST_AGAIN_MS)) {
    const startedMs = performance.now();
    try {
      await runAgent(options);
      return null;
    } catch (error) {
      if (signal.aborted) return null;
      const remedy = error instanceof BridgeError ? `; try: ${error.remedy}` : '';
      const again = once
        ? ''
        : `; the other bridges go on, this one is tried again in ${formatDuration(againMs)}`;
      const code = error instanceof BridgeError ? error.code : null;
      log('error', `${errorText(error)}${remedy}${again}`, { event: 'bridge-failed', code });
      if (once) return error;
      // It had worked for a while, so the waits start short again.
      if (performance.now() - startedMs > LAST_AGAIN_MS) againMs = FIRST_AGAIN_MS;
      await sleep(againMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return null;
    }
  }
}
