import * as z from 'zod';
import {
  type AnswerForm,
  type AnyPiece,
  callsOf,
  logprobOf,
  plainJson,
  type SpokenPath,
  type Turn,
  textOf,
} from './wire.js';

const commonFields = {
  model: z.string(),
  stream: z.boolean().default(true),
  format: z.unknown().optional(),
  options: z.object({ num_ctx: z.int().optional() }).default({}),
  truncate: z.boolean().default(true),
  shift: z.boolean().default(true),
  logprobs: z.boolean().default(false),
  top_logprobs: z.int().min(0).default(0),
};
const chatSchema = z.object({
  ...commonFields,
  messages: z.array(
    z.object({
      role: z.string(),
      content: z.string().default(''),
      images: z.array(z.string()).optional(),
    }),
  ),
  tools: z.array(z.object({ function: z.object({ name: z.string() }) })).default([]),
});
const generateSchema = z.object({
  ...commonFields,
  prompt: z.string().default(''),
  system: z.string().default(''),
  images: z.array(z.string()).default([]),
});

/** `/api/chat`. */
export const ollamaChat: SpokenPath = {
  ...lines((pieces) => ({ message: messageOf(pieces) })),
  read(body) {
    const read = chatSchema.safeParse(body);
    if (!read.success) return plainJson(400, { error: 'invalid request' });
    const { messages, tools } = read.data;
    return {
      ...readCommon(read.data),
      path: '/api/chat',
      question: messages.findLast((message) => message.role === 'user')?.content ?? '',
      conversation: messages.map((message) => message.content).join('\n'),
      hasImages: messages.some(({ images = [] }) => images.length > 0),
      tools: tools.map((tool) => tool.function.name),
    };
  },
};

/**
 * `/api/generate`. A caller continues with the tokens of the conversation that its answer has, as numbers.
 */
export const ollamaGenerate: SpokenPath = {
  ...lines((pieces) => {
    const thinking = textOf(pieces, 'thinking');
    return { response: textOf(pieces, 'answer'), ...(thinking === '' ? {} : { thinking }) };
  }, contextOf),
  read(body) {
    const read = generateSchema.safeParse(body);
    if (!read.success) return plainJson(400, { error: 'invalid request' });
    const { prompt, system, images } = read.data;
    return {
      ...readCommon(read.data),
      path: '/api/generate',
      question: prompt,
      conversation: [system, prompt].filter((text) => text !== '').join('\n'),
      hasImages: images.length > 0,
      tools: [],
    };
  },
};

function readCommon(data: z.infer<z.ZodObject<typeof commonFields>>) {
  const { model, stream, format, options, truncate, shift, logprobs, top_logprobs } = data;
  return {
    wire: 'ollama' as const,
    model,
    stream,
    includeUsage: true,
    format,
    numCtx: options.num_ctx ?? null,
    truncate,
    shift,
    choices: 1,
    logprobs: logprobs ? top_logprobs : null,
  };
}

/** The lines of an answer. `said`: what pieces become in them; `last`: what only the last line has. */
function lines(
  said: (pieces: readonly AnyPiece[]) => object,
  last: (turn: Turn) => object = () => ({}),
): AnswerForm {
  return {
    streamType: 'application/x-ndjson',
    whole: (pieces, turn) =>
      plainJson(200, {
        ...head(turn),
        ...said(pieces),
        done: true,
        done_reason: turn.finishReason,
        ...last(turn),
        ...logprobsOf(pieces, turn),
        ...counts(turn),
      }),
    stream: (turn) => ({
      begin: () => '',
      piece(piece) {
        // Calls come whole.
        if (piece.kind === 'tool' && !piece.isFirst) return '';
        return line({ ...head(turn), ...said([piece]), done: false, ...logprobsOf([piece], turn) });
      },
      end: () =>
        line({
          ...head(turn),
          ...said([]),
          done: true,
          done_reason: turn.finishReason,
          ...last(turn),
          ...counts(turn),
        }),
    }),
    error: (message = MODEL_CRASHED) => line({ error: message }),
    malformed: '{"model":"llama3.2","message":{"role":"assi\n',
    alien: line({ weather: 'fine' }),
  };
}

/** What Ollama says when the model crashes in the middle of an answer. */
const MODEL_CRASHED = 'an error was encountered while running the model: unexpected EOF';

function messageOf(pieces: readonly AnyPiece[]): Record<string, unknown> {
  const thinking = textOf(pieces, 'thinking');
  const calls = callsOf(pieces).map(({ id, name, whole, index }) => {
    return { id, function: { index, name, arguments: objectOf(whole) } };
  });
  return {
    role: 'assistant',
    content: textOf(pieces, 'answer'),
    ...(thinking === '' ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** The arguments of a call: this API has them as an object. */
function objectOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** The most tokens of a context that are sent: nobody reads them, and a behaviour may count billions. */
const MAX_CONTEXT_TOKENS = 64;

function contextOf({ promptTokens, completionTokens }: Turn): object {
  const length = Math.min(promptTokens + completionTokens, MAX_CONTEXT_TOKENS);
  return { context: Array.from({ length }, (_, at) => 100 + at) };
}

function logprobsOf(pieces: readonly AnyPiece[], { logprobs }: Turn): object {
  const own = pieces.filter(({ kind }) => kind === 'answer');
  if (logprobs === null || own.length === 0) return {};
  return { logprobs: own.map(({ text }) => logprobOf(text, logprobs)) };
}

function head(turn: Turn): { model: string; created_at: string } {
  return { model: turn.model, created_at: iso(turn.startedAtMs) };
}

/** Durations are in nanoseconds, as Ollama gives them. */
function counts(turn: Turn): Record<string, unknown> {
  return {
    total_duration: 3_000_000,
    load_duration: 1_000_000,
    prompt_eval_count: turn.promptTokens,
    prompt_eval_duration: 1_000_000,
    eval_count: turn.completionTokens,
    eval_duration: 1_000_000,
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
