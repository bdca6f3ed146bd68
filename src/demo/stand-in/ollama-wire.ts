import * as z from 'zod';
import { type Piece, type Plain, plainJson, type Turn, type Wire } from './wire.js';

const chatSchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  stream: z.boolean().default(true),
  format: z.unknown().optional(),
});

/** Ollama's own API (`/api/chat`, `/api/tags`), as documented at https://docs.ollama.com/api. */
export const ollamaWire: Wire = {
  streamType: 'application/x-ndjson',
  read(body) {
    const read = chatSchema.safeParse(body);
    if (!read.success) return plainJson(400, { error: 'invalid request' });
    const { model, messages, stream, format } = read.data;
    return {
      wire: 'ollama',
      model,
      question: messages.findLast((message) => message.role === 'user')?.content ?? '',
      conversation: messages.map((message) => message.content).join('\n'),
      stream,
      includeUsage: true,
      format,
    };
  },
  has: (models, model) => models.some((one) => tagged(one) === tagged(model)),
  list: (models, startedAtMs) =>
    plainJson(200, {
      models: models.map((name) => ({
        name,
        model: name,
        modified_at: iso(startedAtMs),
        size: 1,
        digest: 'stand-in',
      })),
    }),
  refuse(refusal, request): Plain {
    switch (refusal.kind) {
      case 'http':
        return { contentType: 'application/json; charset=utf-8', ...refusal };
      case 'context-overflow':
        return plainJson(400, { error: 'the input length exceeds the context length' });
      case 'busy': {
        const error = 'server busy, please try again.  maximum pending requests exceeded';
        return { ...plainJson(503, { error }), ...refusal };
      }
      case 'crashed':
        return plainJson(500, { error: 'llama runner process has terminated: exit status 2' });
      case 'out-of-memory':
        return plainJson(500, {
          error: 'llama runner process has terminated: cudaMalloc failed: out of memory',
        });
      default:
        return plainJson(404, { error: `model '${request.model}' not found` });
    }
  },
  whole: (pieces, turn) =>
    plainJson(200, { ...head(turn), message: messageOf(pieces), done: true, ...counts(turn) }),
  piece: (piece, turn) => line({ ...head(turn), message: messageOf([piece]), done: false }),
  end: (turn) => line({ ...head(turn), message: messageOf([]), done: true, ...counts(turn) }),
  error: (message = 'an error was encountered while running the model: unexpected EOF') =>
    line({ error: message }),
  malformed: '{"model":"llama3.2","message":{"role":"assi\n',
  alien: line({ weather: 'fine' }),
};

function messageOf(pieces: readonly Piece[]): { role: string; content: string; thinking?: string } {
  const textOf = (kind: Piece['kind']) =>
    pieces
      .filter((piece) => piece.kind === kind)
      .map((piece) => piece.text)
      .join('');
  const thinking = textOf('thinking');
  return { role: 'assistant', content: textOf('answer'), ...(thinking === '' ? {} : { thinking }) };
}

function head(turn: Turn): { model: string; created_at: string } {
  return { model: turn.model, created_at: iso(turn.startedAtMs) };
}

/** Durations are in nanoseconds, as Ollama gives them. */
function counts(turn: Turn): Record<string, unknown> {
  return {
    done_reason: turn.finishReason,
    total_duration: 3_000_000,
    load_duration: 1_000_000,
    prompt_eval_count: turn.promptTokens,
    prompt_eval_duration: 1_000_000,
    eval_count: turn.completionTokens,
    eval_duration: 1_000_000,
  };
}

/** A model name without a tag means the tag `latest`. */
function tagged(model: string): string {
  return model.includes(':') ? model : `${model}:latest`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
