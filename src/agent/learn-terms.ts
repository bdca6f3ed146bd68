import os from 'node:os';
import { BridgeError } from '../protocol/bridge-error.js';
import { formatDuration } from '../protocol/duration.js';
import { principalNameSchema } from '../protocol/names.js';
import { readTerms } from '../bridge/connection.js';
import { type AgentSession, setDue } from './agent-session.js';

/** A warning is due when the clocks differ by more than a person would put up with. */
const CLOCK_WARNING_MS = 2 * 60_000;

/**
 * Asks the bridge who we are there and by which rules, and takes the name of our key. Throws BridgeError `role` for an asker's key,
 * else as readTerms does.
 */
export async function learnTerms(session: AgentSession, signal: AbortSignal): Promise<void> {
  const { options, door } = session;
  const terms = await readTerms(door, signal);
  if (terms.principal?.role === 'asker') {
    throw new BridgeError(`the key ${terms.principal.name} has the role asker and cannot answer`, {
      code: 'role',
      remedy:
        "on the server: llm-bridge key add <name> --role agent --key FILE.pub, with a key of the agent's own",
    });
  }
  const behindMs = terms.serverNow() - Date.now();
  if (Math.abs(behindMs) > CLOCK_WARNING_MS) {
    const off = `${formatDuration(Math.abs(behindMs))} ${behindMs > 0 ? 'behind' : 'ahead of'}`;
    options.log(
      'warn',
      `the clock of this machine is ${off} the server's; answers are dated by the server's`,
      { event: 'clock', offset_ms: Math.round(behindMs) },
    );
  }
  session.name = terms.principal?.name ?? options.name ?? hostName();
  if (terms.principal !== null && options.name !== undefined && options.name !== terms.principal.name) {
    options.log(
      'warn',
      `--name ${options.name} is not used: the key is ${terms.principal.name}'s, and so are its answers`,
      { event: 'name', name: terms.principal.name },
    );
  }
  options.log('info', `connected to ${door.address.url} as ${session.name}`, {
    event: 'connected',
    repo: door.address.url,
    name: session.name,
  });
  session.terms = terms;
  session.serverNow = terms.serverNow;
  setDue(session, 'fetch');
}

function hostName(): string {
  const name = (os.hostname().split('.')[0] ?? '').replace(/[^A-Za-z0-9._-]/g, '-');
  return principalNameSchema.safeParse(name).success ? name : 'agent';
}
