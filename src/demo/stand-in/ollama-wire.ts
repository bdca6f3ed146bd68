import * as z from 'zod';
import {
  canChat,
  capabilitiesOf,
  DEFAULT_CONTEXT_LENGTH,
  type StandInModel,
  type StandInModels,
} from './stand-in-models.js';
import { NO_IMAGES, type Piece, type Plain, plainJson, type Turn, type Wire } from './wire.js';

const chatSchema = z.object({
  model: z.string(),
  messages: z.array(
    z.object({ role: z.string(), content: z.string(), images: z.array(z.string()).optional() }),
  ),
  stream: z.boolean().default(true),
  format: z.unknown().optional(),
  options: z.object({ num_ctx: z.int().optional() }).default({}),
  truncate: z.boolean().default(true),
  shift: z.boolean().default(true),
});
const nameSchema = z.object({ model: z.string() });

/**
 * Ollama's own API (`/api/chat`, `/api/tags`, `/api/show`, `/api/ps`), as documented at
 * https://docs.ollama.com/api.
 */
export const ollamaWire: Wire = {
  streamType: 'application/x-ndjson',
  read(body) {
    const read = chatSchema.safeParse(body);
    if (!read.success) return plainJson(400, { error: 'invalid request' });
    const { model, messages, stream, format, options, truncate, shift } = read.data;
    return {
      wire: 'ollama',
      model,
      question: messages.findLast((message) => message.role === 'user')?.content ?? '',
      conversation: messages.map((message) => message.content).join('\n'),
      stream,
      hasImages: messages.some(({ images = [] }) => images.length > 0),
      includeUsage: true,
      format,
      numCtx: options.num_ctx ?? null,
      truncate,
      shift,
    };
  },
  has: (models, model) => models.some((one) => tagged(one) === tagged(model)),
  list: (models, startedAtMs, isOld) =>
    plainJson(200, {
      models: models.all.map((model) => ({
        name: model.name,
        model: model.name,
        ...remoteOf(model),
        modified_at: iso(startedAtMs),
        size: 1,
        digest: `digest of ${model.name}`,
        ...(isOld ? {} : { capabilities: capabilitiesOf(model) }),
      })),
    }),
  refuse(refusal, request): Plain {
    switch (refusal.kind) {
      case 'http':
        return { contentType: 'application/json; charset=utf-8', ...refusal };
      case 'context-overflow':
        return plainJson(400, { error: 'the input length exceeds the context length' });
      case 'no-images':
        return ofEngine(500, { code: 500, message: NO_IMAGES, type: 'server_error' });
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
  // As it hands on what llama-server says: JSON in the text of an error.
  overflow(promptTokens, context) {
    const message = `request (${promptTokens} tokens) exceeds the available context size (${context} tokens), try increasing it`;
    const type = 'exceed_context_size_error';
    return ofEngine(400, { code: 400, message, type, n_prompt_tokens: promptTokens, n_ctx: context });
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

/** What the llama-server behind it says: JSON in the text of an error. */
function ofEngine(status: number, error: object): Plain {
  return plainJson(status, { error: JSON.stringify({ error }) });
}

/** `/api/show`: one model. Old versions say no capabilities there. */
export function showModel(models: StandInModels, body: unknown, isOld: boolean): Plain {
  const read = nameSchema.safeParse(body);
  if (!read.success) return plainJson(400, { error: 'model is required' });
  const model = models.all.find((one) => tagged(one.name) === tagged(read.data.model));
  if (model === undefined) {
    // Here it names the tag as well, and where a model is asked it does not.
    return plainJson(404, { error: `model '${tagged(read.data.model)}' not found` });
  }
  const isEncoder = !canChat(model);
  return plainJson(200, {
    ...remoteOf(model),
    model_info: {
      'general.architecture': isEncoder ? 'nomic-bert' : 'llama',
      [`${isEncoder ? 'nomic-bert' : 'llama'}.context_length`]: model.contextLength ?? DEFAULT_CONTEXT_LENGTH,
    },
    ...(isOld ? {} : { capabilities: capabilitiesOf(model) }),
  });
}

/** `/api/ps`: the models in memory. Old versions do not say the context of each. */
export function listLoaded(models: StandInModels, isOld: boolean): Plain {
  const loaded = models.names.flatMap((name) => {
    const context = models.contextOf(name);
    if (context === null) return [];
    return [{ name, model: name, ...(isOld ? {} : { context_length: context }) }];
  });
  return plainJson(200, { models: loaded });
}

function remoteOf({ name, remoteHost }: StandInModel): { remote_host?: string; remote_model?: string } {
  if (remoteHost === undefined) return {};
  return { remote_host: remoteHost, remote_model: name.replace(/[-:]cloud$/, '') };
}

/** A model name without a tag means the tag `latest`; case and the usual registry do not count. */
function tagged(model: string): string {
  const lower = model.toLowerCase().replace(/^registry\.ollama\.ai\/library\//, '');
  return lower.includes(':') ? lower : `${lower}:latest`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
