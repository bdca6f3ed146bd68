import { type Backend, BackendError, type GenerateRequest, type Generation } from '../backend.js';
import {
  estimateRequest,
  fewestTokens,
  isPromptCut,
  mostTokens,
  type Overflow,
  overflowError,
  promptTokensIn,
  SMALLEST_CONTEXT,
} from '../context-overflow.js';
import type { LmstudioModel } from './lmstudio-models.js';

/** One generation of LM Studio. */
interface Asking {
  readonly about: Pick<Backend, 'name' | 'url'>;
  readonly request: GenerateRequest;
  /** Looks the model up; null where LM Studio lists none of this name. */
  readonly inspect: () => Promise<LmstudioModel | null>;
}

/**
 * Generates within the context that LM Studio has loaded the model with, which no request can change. Throws
 * `context_overflow` with the numbers, also where LM Studio would cut, or did cut: its own settings may tell
 * it to leave out the middle of a prompt without a word.
 */
export async function withinContext(
  { about, request, inspect }: Asking,
  generate: () => Promise<Generation>,
): Promise<Generation> {
  const before = await inspect();
  const estimate = estimateRequest(request);
  if (before?.context != null && fewestTokens(request.messages) > before.context) {
    throw overflowError(about, numbersOf(estimate, false, before, before.context));
  }
  try {
    const generation = await generate();
    // One that was not loaded is now.
    const isLong = mostTokens(request.messages) > SMALLEST_CONTEXT;
    const context = before?.context ?? (isLong ? ((await loadedNow(inspect))?.context ?? null) : null);
    if (!isPromptCut(request.messages, generation.usage?.prompt_tokens, context)) return generation;
  } catch (error) {
    if (!(error instanceof BackendError) || error.code !== 'context_overflow') throw error;
    const model = await loadedNow(inspect);
    if (model?.context == null) throw error;
    const counted = promptTokensIn(error.message);
    throw overflowError(about, numbersOf(counted ?? estimate, counted !== null, model, model.context), error);
  }
  const model = await loadedNow(inspect);
  throw overflowError(about, numbersOf(estimate, false, model ?? before, model?.context ?? null));
}

async function loadedNow(inspect: Asking['inspect']): Promise<LmstudioModel | null> {
  return await inspect().catch(() => null);
}

function numbersOf(
  promptTokens: number,
  isCounted: boolean,
  model: LmstudioModel | null,
  context: number | null,
): Overflow {
  const longest = model?.longestContext == null ? '' : `; the model takes up to ${model.longestContext}`;
  return {
    promptTokens,
    isCounted,
    context,
    limit: 'what LM Studio has loaded the model with',
    more: longest,
  };
}
