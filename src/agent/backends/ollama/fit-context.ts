import type { Usage } from '../../../protocol/answer.js';
import type { TaskOptions } from '../../../protocol/task.js';
import { type Backend, BackendError } from '../backend.js';
import {
  estimateRequest,
  fewestTokens,
  isPromptCut,
  mostTokens,
  type Overflow,
  overflowError,
  type Prompt,
  promptTokensIn,
} from '../context-overflow.js';
import { type ContextBounds, type ContextPlan, planContext } from './plan-context.js';

/**
 * Room for an answer without a limit of its own, thinking included, in tokens. An answer that fills it gets
 * more.
 */
const ANSWER_TOKENS = 1024;

/**
 * The same for an answer that is read while it comes, and so ends where its room is full: as much as most
 * programs allow an answer.
 */
const HEARD_ANSWER_TOKENS = 4096;

/** The estimate is multiplied by this, because it may be too low. */
const MARGIN = 1.1;

/** The result of one generation in a context. */
export interface FittedRun {
  /** As the server counted. */
  readonly usage: Usage | undefined;
  readonly finishReason: string | undefined;
}

/** What fitting one request needs. */
export interface ContextFit<Run extends FittedRun> {
  readonly about: Pick<Backend, 'name' | 'url'>;
  readonly request: Prompt & { readonly options: Pick<TaskOptions, 'max_tokens'> };
  /** Whether its events are read while they come, so that it starts only once. Default: false. */
  readonly isHeard?: boolean;
  readonly bounds: ContextBounds;
  /**
   * Whether the server refuses a prompt that does not fit, and does not cut it. Called only where that
   * matters.
   */
  readonly refusesOverflow: () => Promise<boolean>;
  /** Generates in a context of this many tokens. */
  readonly run: (context: number) => Promise<Run>;
  readonly log: (text: string) => void;
}

/**
 * Generates in a context that holds prompt and answer:
 * 1. Begin with the step that the estimate asks for.
 * 2. Where the server says that the prompt has more tokens, or has cut it, or the answer fills the context:
 *    once more with a step that holds it.
 * 3. Where there is no larger one: `context_overflow` with the numbers for a prompt, and `finishReason`
 *    `length` for an answer.
 */
export async function fitContext<Run extends FittedRun>(fit: ContextFit<Run>): Promise<Run> {
  const { about, request, bounds } = fit;
  const estimate = estimateRequest(request);
  const { isHeard = false } = fit;
  const room = request.options.max_tokens ?? (isHeard ? HEARD_ANSWER_TOKENS : ANSWER_TOKENS);
  const fewest = fewestTokens(request.messages);
  let plan = planContext(Math.max(Math.ceil(estimate * MARGIN), fewest) + room, bounds);
  // No server can read it, so the model need not be loaded.
  if (fewest > plan.context) throw overflowError(about, numbersOf(estimate, false, plan, bounds));
  if (estimate > plan.context && !(await fit.refusesOverflow())) {
    const more = '; this version would cut the prompt without a word, and a newer one would count it';
    throw overflowError(about, { ...numbersOf(estimate, false, plan, bounds), more });
  }
  for (;;) {
    const result = await runIn(fit, plan.context);
    const counted = result.promptTokens;
    if (result.kind === 'done' && (isHeard || !isFull(result.run, plan.context, request))) return result.run;
    const wanted = (counted ?? plan.context) + room;
    if (result.kind === 'overflow' && counted === null && surelyFits(request, plan.context)) {
      throw overflowError(about, numbersOf(estimate, false, plan, bounds), result.said);
    }
    const next = planContext(Math.max(wanted, plan.context + 1), { ...bounds, loaded: null });
    if (next.context > plan.context) {
      const why = result.kind === 'done' ? 'the answer filled' : 'the prompt did not fit';
      fit.log(`${about.name}: ${why} a context of ${plan.context} tokens; once more with ${next.context}`);
      plan = next;
    } else if (result.kind === 'done') {
      return { ...result.run, finishReason: 'length' };
    } else {
      const numbers = numbersOf(counted ?? estimate, counted !== null, plan, bounds);
      throw overflowError(about, numbers, result.said);
    }
  }
}

type RunResult<Run> =
  | { readonly kind: 'done'; readonly run: Run; readonly promptTokens: number | null }
  | {
      readonly kind: 'overflow';
      /** As the server counted; null where it did not say. */
      readonly promptTokens: number | null;
      readonly said: BackendError | undefined;
    };

async function runIn<Run extends FittedRun>(
  { request, run }: ContextFit<Run>,
  context: number,
): Promise<RunResult<Run>> {
  try {
    const done = await run(context);
    const promptTokens = done.usage?.prompt_tokens ?? null;
    if (!isPromptCut(request, done.usage?.prompt_tokens, context)) {
      return { kind: 'done', run: done, promptTokens };
    }
    // It counted what was left of the prompt.
    return { kind: 'overflow', promptTokens: null, said: undefined };
  } catch (error) {
    if (!(error instanceof BackendError) || error.code !== 'context_overflow') throw error;
    return { kind: 'overflow', promptTokens: promptTokensIn(error.message), said: error };
  }
}

/**
 * Whether the prompt fits even where each byte is a token, so that a larger context cannot help. False with
 * images: nobody knows how many tokens they take.
 */
function surelyFits(prompt: Prompt, context: number): boolean {
  return prompt.images.length === 0 && mostTokens(prompt) < context;
}

/**
 * Whether the answer ended at the end of the context, or went on past it: an old server ignores `shift`, and
 * pushes the prompt out of the context rather than stop.
 */
function isFull(
  { usage, finishReason }: FittedRun,
  context: number,
  request: ContextFit<FittedRun>['request'],
): boolean {
  const { prompt_tokens = 0, completion_tokens = 0 } = usage ?? {};
  const { max_tokens } = request.options;
  if (max_tokens !== undefined && completion_tokens >= max_tokens) return false;
  const used = prompt_tokens + completion_tokens;
  return used > context || (finishReason === 'length' && used >= context - COUNT_SLACK);
}

/** Servers differ in whether they count the first and the last token of a prompt and of an answer. */
const COUNT_SLACK = 8;

function numbersOf(
  promptTokens: number,
  isCounted: boolean,
  plan: ContextPlan,
  bounds: ContextBounds,
): Overflow {
  const { context, limit } = plan;
  const longest = bounds.model === null ? '' : `; the model takes up to ${bounds.model}`;
  const more = limit === 'model' ? '' : longest;
  return { promptTokens, isCounted, context, limit: LIMITS[limit ?? 'max'], more };
}

const LIMITS: Readonly<Record<NonNullable<ContextPlan['limit']>, string>> = {
  task: 'the num_ctx of the task',
  max: '--max-context of the agent',
  model: 'the most that this model takes',
  loaded: 'what it is loaded with, and more than --max-context or the num_ctx of the task',
};
