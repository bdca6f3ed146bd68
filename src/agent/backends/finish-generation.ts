import type { Usage } from '../../protocol/answer.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { type Backend, BackendError, type GenerateRequest, type Generation } from './backend.js';
import { backendError } from './backend-failure.js';
import { splitThinking } from './split-thinking.js';

/** A stream, read to its end. */
export interface RawGeneration {
  readonly content: string;
  /** The thinking that the server itself told apart. */
  readonly thinking: string;
  readonly model: string | undefined;
  readonly finishReason: string | undefined;
  readonly usage: Usage | undefined;
}

/** The longest model name and finish reason an answer takes, in characters (`src/protocol/answer.ts`). */
const MAX_MODEL_CHARS = 256;
const MAX_FINISH_REASON_CHARS = 64;

/**
 * Makes a Generation of what a stream brought: thinking apart, names bounded. Throws BackendError
 * `empty_answer` where nothing but white space is left.
 */
export function finishGeneration(
  backend: Pick<Backend, 'name' | 'url'>,
  request: GenerateRequest,
  raw: RawGeneration,
): Generation {
  const { answer, thinking } = answerOf(request, raw);
  const finishReason = excerpt(oneLine(raw.finishReason ?? ''), MAX_FINISH_REASON_CHARS);
  if (answer.trim() === '') {
    const thought = thinking === '' ? '' : ` after ${thinking.length} characters of thinking`;
    const reason = finishReason === '' ? '' : ` (finish reason: ${finishReason})`;
    const text = `${request.model} answered nothing${thought}${reason}`;
    const { code, message } = backendError(backend, 'empty_answer', text);
    throw new BackendError(code, message, { said: saidOf(thinking, finishReason) });
  }
  const model = excerpt(oneLine(raw.model ?? ''), MAX_MODEL_CHARS);
  return {
    answer,
    model: model === '' ? request.model : model,
    ...saidOf(thinking, finishReason),
    ...(raw.usage === undefined ? {} : { usage: raw.usage }),
  };
}

function saidOf(thinking: string, finishReason: string): Pick<Generation, 'thinking' | 'finishReason'> {
  return { ...(thinking === '' ? {} : { thinking }), ...(finishReason === '' ? {} : { finishReason }) };
}

function answerOf(request: GenerateRequest, raw: RawGeneration): { answer: string; thinking: string } {
  const split = splitThinking(raw.content);
  const thinking = [raw.thinking.trim(), split.thinking].filter((text) => text !== '').join('\n\n');
  // LM Studio puts the JSON of a schema into the reasoning of some models, and leaves the content empty.
  if (request.format !== undefined && split.answer.trim() === '' && isJson(thinking)) {
    return { answer: thinking, thinking: '' };
  }
  return { answer: split.answer, thinking };
}

/** True for JSON, with or without a Markdown fence. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(unwrapJson(text));
    return true;
  } catch {
    return false;
  }
}

const FENCE = '```';

/** JSON without the Markdown fence some models put around it, and without white space at its ends. */
export function unwrapJson(text: string): string {
  const whole = text.trim();
  const firstLineEnd = whole.indexOf('\n');
  if (firstLineEnd === -1 || !whole.endsWith(FENCE)) return whole;
  if (!/^```(?:json)?\s*$/i.test(whole.slice(0, firstLineEnd))) return whole;
  return whole.slice(firstLineEnd + 1, -FENCE.length).trim();
}
