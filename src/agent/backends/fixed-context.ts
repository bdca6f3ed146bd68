import type { Usage } from '../../protocol/answer.js';
import { type Backend, BackendError } from './backend.js';
import {
  contextIn,
  estimateRequest,
  fewestTokens,
  isPromptCut,
  mostTokens,
  type Overflow,
  overflowError,
  type Prompt,
  promptTokensIn,
  SMALLEST_CONTEXT,
} from './context-overflow.js';

/** What is known of a model's context. */
export interface FixedContext {
  /** The context it is loaded with, in tokens; null where it is not loaded, or nobody says. */
  readonly context: number | null;
  /** The longest context it was made for, in tokens; null where nobody says. */
  readonly longestContext: number | null;
}

/** One generation of a server whose requests cannot change the context. */
interface Asking<Model extends FixedContext> {
  readonly about: Pick<Backend, 'name' | 'url'>;
  readonly request: Prompt;
  /** Whether the server counts all of a prompt in its usage. Default: true. */
  readonly countsAll?: boolean;
  /** What keeps the context from being larger, to follow `which is`. */
  readonly limit: string;
  /** Looks the model up; null where the server lists none of this name. */
  readonly inspect: () => Promise<Model | null>;
  /**
   * The server's own count of the prompt, where it would cut one without a word; null where it would not.
   */
  readonly countBefore?: (model: Model) => Promise<number | null>;
}

/**
 * Generates within the context that a server has loaded the model with, which no request can change. Throws
 * `context_overflow` with the numbers, also where the server would cut the prompt or has cut it: its own
 * settings may tell it to leave out the middle without a word.
 */
export async function withinFixedContext<
  Model extends FixedContext,
  Run extends { readonly usage?: Usage | undefined },
>(asking: Asking<Model>, generate: (model: Model | null) => Promise<Run>): Promise<Run> {
  const { about, request, inspect, countsAll = true } = asking;
  const before = await inspect();
  const estimate = estimateRequest(request);
  const overflow = (promptTokens: number, isCounted: boolean, model: FixedContext | null) =>
    numbersOf(asking, promptTokens, isCounted, model);
  if (before?.context != null) {
    const { context } = before;
    if (fewestTokens(request.messages) > context)
      throw overflowError(about, overflow(estimate, false, before));
    const mayFit = mostTokens(request) < context;
    const counted = mayFit ? null : ((await asking.countBefore?.(before)) ?? null);
    if (counted !== null && counted >= context) throw overflowError(about, overflow(counted, true, before));
  }
  try {
    const generation = await generate(before);
    // A model that was not loaded before is loaded now.
    const isLong = mostTokens(request) > SMALLEST_CONTEXT;
    const context = before?.context ?? (isLong ? ((await loadedNow(inspect))?.context ?? null) : null);
    const counted = countsAll ? generation.usage?.prompt_tokens : undefined;
    if (!isPromptCut(request, counted, context)) return generation;
  } catch (error) {
    if (!(error instanceof BackendError) || error.code !== 'context_overflow') throw error;
    const counted = promptTokensIn(error.message);
    const model = await loadedNow(inspect);
    const context = model?.context ?? contextIn(error.message);
    if (context === null) throw error;
    const known = { context, longestContext: model?.longestContext ?? null };
    throw overflowError(about, overflow(counted ?? estimate, counted !== null, known), error);
  }
  throw overflowError(about, overflow(estimate, false, (await loadedNow(inspect)) ?? before));
}

async function loadedNow<Model>(inspect: () => Promise<Model | null>): Promise<Model | null> {
  return await inspect().catch(() => null);
}

function numbersOf(
  { limit }: { readonly limit: string },
  promptTokens: number,
  isCounted: boolean,
  model: FixedContext | null,
): Overflow {
  const longest = model?.longestContext == null ? '' : `; the model takes up to ${model.longestContext}`;
  return { promptTokens, isCounted, context: model?.context ?? null, limit, more: longest };
}
