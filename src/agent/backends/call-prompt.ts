import type { ChatMessage, TaskOptions } from '../../protocol/task.js';
import type { ApiCall } from './backend.js';
import type { Prompt } from './context-overflow.js';

/** What a call makes a model read, and what it says of the room for it. */
export type CallPrompt = Prompt & { readonly options: Pick<TaskOptions, 'max_tokens' | 'num_ctx'> };

/**
 * The text of a call, whatever its path: instructions, messages, prompts and inputs, the number of its
 * images, and its tools as JSON.
 */
export function promptOf({ body }: Pick<ApiCall, 'body'>): CallPrompt {
  const said = [body.system, body.instructions, body.prompt, body.suffix].map((value) => textIn(value));
  const turns = [body.messages, body.input].flatMap((value) => (Array.isArray(value) ? value : [value]));
  const texts = [...said, ...turns.map((turn) => textIn(turn))].filter((text) => text !== '');
  const messages: ChatMessage[] = texts.map((content) => ({ role: 'user', content }));
  const maxTokens = limitOf(body);
  const context = countIn(fieldOf(body.options, 'num_ctx'));
  return {
    messages,
    images: { length: imagesIn([body.messages, body.input, { images: body.images }]) },
    ...(body.tools === undefined ? {} : { tools: JSON.stringify(body.tools) }),
    options: {
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
      ...(context === undefined ? {} : { num_ctx: context }),
    },
  };
}

/** The most tokens of the answer, by the names of the APIs. Ollama's -1 and -2 are none. */
function limitOf(body: Readonly<Record<string, unknown>>): number | undefined {
  const { max_completion_tokens, max_tokens, max_output_tokens, options } = body;
  return [max_completion_tokens, max_tokens, max_output_tokens, fieldOf(options, 'num_predict')]
    .map(countIn)
    .find((count) => count !== undefined);
}

function countIn(value: unknown): number | undefined {
  return Number.isInteger(value) && Number(value) > 0 ? Number(value) : undefined;
}

/** The text of a turn: its own, or that of its parts. */
function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    return value
      .map(textIn)
      .filter((text) => text !== '')
      .join('\n');
  }
  const content = fieldOf(value, 'content') ?? fieldOf(value, 'text') ?? fieldOf(value, 'output');
  return content === undefined ? '' : textIn(content);
}

/** What the APIs call the parts that are images. */
const IMAGE_PARTS: readonly unknown[] = ['image_url', 'image', 'input_image'];

function imagesIn(value: unknown): number {
  if (typeof value === 'string') return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + imagesIn(one), 0);
  if (IMAGE_PARTS.includes(fieldOf(value, 'type'))) return 1;
  const images = fieldOf(value, 'images');
  return (Array.isArray(images) ? images.length : 0) + imagesIn(fieldOf(value, 'content') ?? []);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** The paths whose model makes embeddings and does not chat. */
const EMBEDDING_PATHS: readonly string[] = ['/v1/embeddings', '/api/embed', '/api/embeddings'];

/** What a model has to be able to do. */
export type ModelPurpose = 'chat' | 'embed';

/** What the model of a call has to be able to do. */
export function purposeOf(path: string): ModelPurpose {
  return EMBEDDING_PATHS.includes(path) ? 'embed' : 'chat';
}

/**
 * Whether a server counts all of a prompt in its usage on this path, also the part that it still had in
 * memory.
 */
export function countsWholePrompt(path: string): boolean {
  return path !== '/v1/messages' && path !== '/v1/responses';
}
