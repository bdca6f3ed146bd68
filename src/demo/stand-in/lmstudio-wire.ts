import * as z from 'zod';
import { canChat, capabilitiesOf, DEFAULT_CONTEXT_LENGTH, type StandInModels } from './stand-in-models.js';
import type { StandInRequest } from './stand-in-request.js';
import { type Piece, type Plain, plainJson, type Turn, type Wire } from './wire.js';

const contentSchema = z.union([
  z.string(),
  z.array(z.object({ type: z.string(), text: z.string().optional() })),
]);
const chatSchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: contentSchema })),
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().default(false) }).optional(),
  response_format: z
    .object({ type: z.string(), json_schema: z.object({ schema: z.unknown() }).optional() })
    .optional(),
});

/**
 * LM Studio's OpenAI-compatible API (`/v1/chat/completions`, `/v1/models`), errors in LM Studio's own words.
 */
export const lmstudioWire: Wire = {
  streamType: 'text/event-stream',
  read(body): StandInRequest | Plain {
    const read = chatSchema.safeParse(body);
    if (!read.success) return plainJson(400, { error: 'Invalid request' });
    const { model, messages, stream, stream_options, response_format } = read.data;
    if (response_format !== undefined && !['json_schema', 'text'].includes(response_format.type)) {
      return plainJson(400, { error: "'response_format.type' must be 'json_schema' or 'text'" });
    }
    return {
      wire: 'lmstudio',
      model,
      question: textOf(messages.findLast((message) => message.role === 'user')?.content ?? ''),
      conversation: messages.map((message) => textOf(message.content)).join('\n'),
      stream,
      includeUsage: !stream || stream_options?.include_usage === true,
      format: response_format?.json_schema?.schema,
      numCtx: null,
      truncate: false,
      shift: false,
    };
  },
  has: (models, model) => models.includes(model),
  list: (models) =>
    plainJson(200, {
      object: 'list',
      data: models.names.map((id) => ({ id, object: 'model', owned_by: 'organization_owner' })),
    }),
  refuse(refusal, request): Plain {
    switch (refusal.kind) {
      case 'http':
        return { contentType: 'application/json; charset=utf-8', ...refusal };
      case 'context-overflow':
        return plainJson(400, {
          error:
            'Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input',
        });
      case 'busy':
        return { ...plainJson(503, { error: { message: 'Loading model', code: 503 } }), ...refusal };
      case 'crashed':
        return plainJson(400, {
          error: 'The model has crashed without additional information. (Exit code: 18446744072635812000)',
        });
      case 'out-of-memory':
        return plainJson(400, {
          error:
            'Model loading was stopped due to insufficient system resources. Under the current settings, this model requires approximately 22.92 GB of memory',
        });
      case 'no-model-loaded':
        return refusedModel(
          404,
          "No models loaded. Please load a model in the developer page or use the 'lms load' command.",
        );
      default:
        return refusedModel(404, `Model "${request.model}" not found. Please specify a valid model.`);
    }
  },
  overflow: (promptTokens, context) =>
    plainJson(400, {
      error: `Trying to keep the first ${promptTokens} tokens when context the overflows. However, the model is loaded with context length of only ${context} tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input`,
    }),
  whole: (pieces, turn) =>
    plainJson(200, {
      ...head(turn, 'chat.completion'),
      choices: [
        {
          index: 0,
          logprobs: null,
          finish_reason: turn.finishReason,
          message: { role: 'assistant', ...fields(pieces) },
        },
      ],
      usage: usage(turn),
    }),
  piece: (piece, turn) => event(chunk(turn, { role: 'assistant', ...fields([piece]) }, null)),
  end(turn) {
    const counted = { ...head(turn, 'chat.completion.chunk'), choices: [], usage: usage(turn) };
    return `${event(chunk(turn, {}, turn.finishReason))}${turn.includeUsage ? event(counted) : ''}data: [DONE]\n\n`;
  },
  error: (message = 'Model unloaded.') => `event: error\n${event({ error: { message } })}`,
  malformed: 'data: {"id":"chatcmpl-stand-in","cho\n\n',
  alien: event({ weather: 'fine' }),
};

/** LM Studio's own API: `/api/v0/models`, of version 0.3.6 and later. */
export function describeModels(models: StandInModels): Plain {
  const data = models.all.map((model) => {
    const context = models.contextOf(model.name);
    return {
      id: model.name,
      object: 'model',
      type: canChat(model) ? (capabilitiesOf(model).includes('vision') ? 'vlm' : 'llm') : 'embeddings',
      state: context === null ? 'not-loaded' : 'loaded',
      max_context_length: model.contextLength ?? DEFAULT_CONTEXT_LENGTH,
      ...(context === null ? {} : { loaded_context_length: context }),
    };
  });
  return plainJson(200, { object: 'list', data });
}

function textOf(content: z.infer<typeof contentSchema>): string {
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');
}

function refusedModel(status: number, message: string): Plain {
  const error = { message, type: 'invalid_request_error', param: 'model', code: 'model_not_found' };
  return plainJson(status, { error });
}

function fields(pieces: readonly Piece[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const piece of pieces) {
    const field = piece.kind === 'answer' ? 'content' : 'reasoning_content';
    result[field] = (result[field] ?? '') + piece.text;
  }
  return result;
}

function head(turn: Turn, object: string): Record<string, unknown> {
  const created = Math.floor(turn.startedAtMs / 1000);
  return { id: 'chatcmpl-stand-in', object, created, model: turn.model, system_fingerprint: turn.model };
}

function chunk(turn: Turn, delta: Record<string, string>, finishReason: string | null): unknown {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason };
  return { ...head(turn, 'chat.completion.chunk'), choices: [choice] };
}

function usage(turn: Turn): Record<string, number> {
  return {
    prompt_tokens: turn.promptTokens,
    completion_tokens: turn.completionTokens,
    total_tokens: turn.promptTokens + turn.completionTokens,
  };
}

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
