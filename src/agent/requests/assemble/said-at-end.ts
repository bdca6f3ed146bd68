import type { Usage } from '../../../protocol/answer.js';
import { excerpt, toWellFormed } from '../../../protocol/text.js';
import { jsonOf, textOf } from './clean-json.js';

/** The longest word for why an answer ended that `answerSchema` takes. Characters. */
const MAX_REASON = 64;

/** Why an answer ended, as the record has it; undefined where nothing was said. */
export function wordOf(reason: unknown): string | undefined {
  const word = textOf(reason);
  return word === undefined ? undefined : excerpt(toWellFormed(word), MAX_REASON);
}

/** The tokens of an answer, by their names in this API. A count that is no whole number is left out. */
export function tokensOf(usage: unknown, prompt: string, completion: string): Usage | undefined {
  const counted = jsonOf(usage);
  const [asked, said] = [countOf(counted[prompt]), countOf(counted[completion])];
  if (asked === undefined && said === undefined) return undefined;
  return {
    ...(asked === undefined ? {} : { prompt_tokens: asked }),
    ...(said === undefined ? {} : { completion_tokens: said }),
  };
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
