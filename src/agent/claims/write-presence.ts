import { writeBlob } from '../../git/commit-file.js';
import type { BackendName } from '../../protocol/names.js';
import { writePresence } from '../../protocol/presence.js';
import type { SessionCore } from '../agent-session.js';
import { lmstudioBackend } from '../backends/lmstudio/lmstudio-backend.js';
import { ollamaBackend } from '../backends/ollama/ollama-backend.js';

/** A model server on this machine lists its models at once, or is not there. Milliseconds. */
const LIST_TIMEOUT_MS = 2_000;

/** What the model servers of this agent have to offer. */
export interface Offer {
  readonly backends: readonly BackendName[];
  readonly models: readonly string[];
}

/** Asks the model servers for their models. One that does not answer is left out; never throws. */
export async function readOffer(session: SessionCore, signal: AbortSignal): Promise<Offer> {
  const { generate } = session.options;
  const open = {
    ollama: () => ollamaBackend(generate.ollamaUrl),
    lmstudio: () => lmstudioBackend(generate.lmstudioUrl),
  };
  const listed = await Promise.all(
    generate.order.map(async (name) => {
      const within = AbortSignal.any([signal, AbortSignal.timeout(LIST_TIMEOUT_MS)]);
      const models = await open[name]()
        .listModels(within)
        .catch(() => null);
      return models === null ? [] : [{ name, models }];
    }),
  );
  const found = listed.flat();
  return {
    backends: [...new Set(found.map(({ name }) => name))],
    models: [...new Set(found.flatMap(({ models }) => models))],
  };
}

/** Writes a presence into the clone and answers its blob. */
export async function writePresenceBlob(
  session: SessionCore,
  state: 'running' | 'stopped',
  offer: Offer,
  busy: readonly string[],
): Promise<string> {
  const presence = writePresence({
    agent: session.name,
    session: session.id,
    state,
    version: session.options.version,
    backends: [...offer.backends],
    models: [...offer.models],
    parallel: session.options.parallel,
    busy: [...busy],
    started_at: new Date(session.serverNow() - session.runningMs()).toISOString(),
    seen_at: new Date(session.serverNow()).toISOString(),
  });
  return writeBlob(session.clone, presence);
}
