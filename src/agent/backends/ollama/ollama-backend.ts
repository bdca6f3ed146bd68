import { Ollama } from 'ollama';
import { maxLineBytes, streamLimits } from '../answer-limits.js';
import { type Backend, type BackendSettings, DEFAULT_MAX_CONTEXT } from '../backend.js';
import { callBackend } from '../backend-failure.js';
import { BackendMemory } from '../backend-memory.js';
import { sendCall } from '../call-api.js';
import { type CallPrompt, countsWholePrompt, promptOf, purposeOf } from '../call-prompt.js';
import { calledBackend } from '../called-backend.js';
import { finishGeneration } from '../finish-generation.js';
import { withinFixedContext } from '../fixed-context.js';
import { openTransport } from '../transport.js';
import { type ContextFit, type FittedRun, fitContext } from './fit-context.js';
import { OLLAMA } from './ollama.js';
import { ollamaVersion } from './ollama-calls.js';
import { chatRequest, chatStreamed } from './ollama-chat.js';
import { inspectOllamaModel, listOllamaModels, type ModelFacts } from './ollama-models.js';
import { strictJsonLines } from './ollama-wire.js';

/**
 * Ollama, by its official client: `/api/chat`, streamed, in a context that fits. Before each of them the
 * model is looked up, so that none is asked that may not be. `url` as `parseOllamaUrl` takes it; throws
 * BridgeError `usage` where it is no address.
 */
export function ollamaBackend(url: string, settings: BackendSettings = {}): Backend {
  const { allowCloud = false, maxContext = DEFAULT_MAX_CONTEXT, memory = new BackendMemory() } = settings;
  const { lookups = memory.foresight } = settings;
  const about = calledBackend(OLLAMA, url, { lookups });
  /** Runs a prompt in a context that fits, and remembers that context. */
  const fitted = <Run extends FittedRun>(fit: FittedCall<Run>): Promise<Run> => {
    const { model, request, found, signal, run, isHeard = false } = fit;
    const { longestContext, loaded } = found;
    const key = `${about.url} ${model}`;
    // An old server does not say the context of a loaded model: it is the one that was last asked for.
    const inMemory = loaded === null ? null : (loaded.context ?? memory.contexts.get(key) ?? null);
    return fitContext({
      ...{ about, request, isHeard },
      bounds: {
        task: request.options.num_ctx ?? null,
        ...{ max: maxContext, model: longestContext, loaded: inMemory },
      },
      refusesOverflow: async () => refusesOverflow(await ollamaVersion(about, signal)),
      log: settings.log ?? (() => {}),
      run: (context) => {
        memory.contexts.set(key, context);
        return run(context);
      },
    });
  };
  return {
    ...about,
    listModels: (signal) => listOllamaModels(about, memory, signal),
    async longestContext(model, signal) {
      const { longestContext } = await inspectOllamaModel(about, model, allowCloud, signal);
      return longestContext === null ? null : Math.min(longestContext, maxContext);
    },
    async generate(request, signal, onToken) {
      const { model, maxAnswerBytes } = request;
      const found = await inspectOllamaModel(about, model, allowCloud, signal);
      onToken({ type: 'alive' });
      const raw = await fitted({
        ...{ model, request, found, signal },
        run: async (context) => {
          lookups.forget();
          const transport = openTransport(signal, streamLimits(maxAnswerBytes), (response) =>
            strictJsonLines(response, maxLineBytes(maxAnswerBytes)),
          );
          // One client for each call: it cannot abort one call of several, nor any before its first token.
          const client = new Ollama({ host: about.url, fetch: transport.fetch });
          const chat = chatRequest(request, context);
          return await callBackend(about, transport, signal, () =>
            chatStreamed(about, client, chat, onToken),
          );
        },
      });
      return finishGeneration(about, request, raw);
    },
    async call(call, signal, reader) {
      const { path, model } = call;
      const purpose = purposeOf(path);
      const inspect = () => inspectOllamaModel(about, model, allowCloud, signal, purpose);
      const send = (more: Readonly<Record<string, unknown>>) => {
        const body = { ...call.body, ...more, model };
        return sendCall({ server: about, url: `${about.url}${path}`, call, body, signal, reader });
      };
      const found = await inspect();
      reader.alive();
      if (purpose === 'embed') return await send({});
      const request = promptOf(call);
      if (path !== '/api/chat' && path !== '/api/generate') {
        // OpenAI's API and Anthropic's have no context size, and Ollama cuts what does not fit without a
        // word.
        const limit = 'what Ollama gives a model where a call cannot say it (OLLAMA_CONTEXT_LENGTH)';
        let isSent = false;
        const asking = {
          ...{ about, request, limit, countsAll: countsWholePrompt(path) },
          // Only after the call: the context of before is one that others asked for, and the model is loaded
          // again with another.
          inspect: async () => ({
            context: isSent ? ((await inspect()).loaded?.context ?? null) : null,
            longestContext: found.longestContext,
          }),
        };
        return await withinFixedContext(asking, async () => {
          isSent = true;
          return await send({});
        });
      }
      return await fitted({
        ...{ model, request, isHeard: call.isHeard, found, signal },
        run: async (context) => {
          const options = { ...(call.body.options as object | undefined), num_ctx: context };
          return await send({ options, truncate: false, shift: false });
        },
      });
    },
  };
}

/** A prompt that is run in a context that fits. */
interface FittedCall<Run extends FittedRun> extends Pick<ContextFit<Run>, 'isHeard' | 'run'> {
  readonly model: string;
  readonly request: CallPrompt;
  /** What the look-up before said of the model. */
  readonly found: ModelFacts;
  readonly signal: AbortSignal;
}

/**
 * The first version whose `/api/chat` knows `truncate`. Candidates of 0.12.4 had it (ollama#12519), it was
 * taken back before that version came out (ollama#12545), and 0.12.6 has it again (ollama#12582).
 */
const FIRST_WITH_TRUNCATE = [0, 12, 6] as const;

/**
 * Whether a server of this version refuses a prompt that does not fit where it is told not to cut it. Null:
 * it does not say its version, and counts as new. Exported for its test.
 */
export function refusesOverflow(version: readonly number[] | null): boolean {
  if (version === null) return true;
  const at = FIRST_WITH_TRUNCATE.findIndex((number, index) => version[index] !== number);
  return at < 0 || (version[at] ?? 0) > (FIRST_WITH_TRUNCATE[at] ?? 0);
}
