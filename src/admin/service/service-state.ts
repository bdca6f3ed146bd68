import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../protocol/bridge-error.js';
import { readService } from './run-service.js';
import type { ServicePlan, ServiceSpec } from './service-spec.js';

/** How long a service that was just started is looked at: by then it has read its options. Milliseconds. */
const LOOK_FOR_MS = 3_000;
const LOOK_EVERY_MS = 250;

/**
 * Looks at a service that was just started for a while. systemd says that a program is started before it has
 * read its first option, and tells nobody when it ends. Throws as requireRunning and readService do.
 */
export async function requireStarted(
  spec: ServiceSpec,
  plan: ServicePlan,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  // Only systemd says in a few words how a service is.
  if (plan.status[0] !== 'systemctl') return;
  for (let at = 0; at < LOOK_FOR_MS; at += LOOK_EVERY_MS) {
    await sleep(LOOK_EVERY_MS);
    requireRunning(spec, (await readService(spec, plan, env)) ?? '');
  }
}

/**
 * Throws BridgeError `service-failed` where `state`, which readService read, says that the service has ended
 * by itself, or waits to be started again after that, or was stopped.
 */
export function requireRunning(spec: Pick<ServiceSpec, 'name' | 'scope' | 'role'>, state: string): void {
  const failure = failureIn(spec, state) ?? stopIn(spec, state);
  if (failure === null) return;
  throw new BridgeError(failure.message, { code: 'service-failed', remedy: failure.remedy });
}

/** What systemd's words for the state of a service say of a failure; null where they say of none. */
export function failureIn(
  { name, scope }: Pick<ServiceSpec, 'name' | 'scope'>,
  state: string,
): { readonly message: string; readonly remedy: string } | null {
  if (!/^(?:ActiveState=failed|SubState=auto-restart.*)$/m.test(state)) return null;
  const journal = `journalctl ${scope === 'user' ? '--user ' : ''}-u ${name} -n 20 --no-pager`;
  return {
    message: `${name} does not run: it ended with a failure`,
    remedy: `read what it said: ${journal}`,
  };
}

/** The same of a service that was stopped, or has ended without a failure. Nobody has to mend that. */
function stopIn({ name, scope, role }: Pick<ServiceSpec, 'name' | 'scope' | 'role'>, state: string) {
  // Of a timer and its service the timer comes first, and what it starts is inactive between two runs.
  const [main = ''] = state.split(/\n\n/, 1);
  if (!/^ActiveState=inactive$/m.test(main)) return null;
  const unit = `${name}${role === 'ingest' ? '.timer' : ''}`;
  return {
    message: `${name} does not run: it was stopped, or has ended`,
    remedy: `systemctl ${scope === 'user' ? '--user ' : ''}start ${unit}`,
  };
}
