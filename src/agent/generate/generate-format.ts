import type { Usage } from '../../protocol/answer.js';
import { excerpt } from '../../protocol/printable.js';
import type { ChatMessage } from '../../protocol/task.js';
import { BackendError, type GenerateRequest, type Generation } from '../backends/backend.js';
import type { FormatCheck } from './json-format.js';

/** How much of an answer that does not fit is shown to the model again, in characters: a context has other things to hold. */
const MAX_QUOTED_CHARS = 20_000;

/**
 * Generates an answer that passes `check`, and gives it as its bare JSON. An answer that does not fit is generated once
 * more, with it and the complaint at the end of the conversation; where that does not fit either, throws BackendError
 * `invalid_format`. An answer cut off for its length is not tried again: the same limit would cut it again. `usage` counts
 * both.
 */
export async function generateFitting(
  request: GenerateRequest,
  check: (answer: string) => FormatCheck,
  generate: (request: GenerateRequest) => Promise<Generation>,
): Promise<Generation> {
  const first = await generate(request);
  const checked = check(first.answer);
  if (checked.ok) return { ...first, answer: checked.json };
  if (first.finishReason === 'length') {
    const text = `the answer was cut off at its length limit; raise max_tokens (${checked.complaint})`;
    throw new BackendError('invalid_format', text);
  }
  const messages = [...request.messages, ...correction(first.answer, checked.complaint)];
  const second = await generate({ ...request, messages });
  const again = check(second.answer);
  const usage = addUsage(first.usage, second.usage);
  if (again.ok) return { ...second, answer: again.json, ...(usage === undefined ? {} : { usage }) };
  throw new BackendError('invalid_format', `the answer does not fit the format, twice: ${again.complaint}`);
}

function correction(answer: string, complaint: string): ChatMessage[] {
  return [
    { role: 'assistant', content: excerpt(answer, MAX_QUOTED_CHARS) },
    {
      role: 'user',
      content: `That answer does not fit the required format: ${complaint}. Answer again, with the corrected JSON and nothing else.`,
    },
  ];
}

function addUsage(first: Usage | undefined, second: Usage | undefined): Usage | undefined {
  if (first === undefined || second === undefined) return second ?? first;
  const sum = (name: keyof Usage) => (first[name] ?? 0) + (second[name] ?? 0);
  return { prompt_tokens: sum('prompt_tokens'), completion_tokens: sum('completion_tokens') };
}
