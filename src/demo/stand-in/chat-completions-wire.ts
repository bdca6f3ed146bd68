import * as z from 'zod';
import { contentSchema, readMessages } from './read-prompts.js';
import type { StandInRequest, WireName } from './stand-in-request.js';
import {
  type AnyPiece,
  callsOf,
  event,
  logprobOf,
  NO_CONTEXT_WORDS,
  type Plain,
  plainJson,
  type SpokenPath,
  type ToolPiece,
  type Turn,
  textOf,
} from './wire.js';

/** The body of `/v1/chat/completions`, as far as the stand-in understands it. */
const chatBodySchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: contentSchema.nullish() })),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().default(false) }).nullish(),
  response_format: z
    .object({ type: z.string(), json_schema: z.object({ schema: z.unknown() }).optional() })
    .optional(),
  tools: z.array(z.object({ function: z.object({ name: z.string() }).optional() })).optional(),
  n: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).nullish(),
});
type ChatBody = z.infer<typeof chatBodySchema>;

/** How the servers differ that speak this API. */
export interface ChatDialect {
  readonly wire: WireName;
  /** Says what is wrong with a body, or null. */
  readonly refuseForm: (body: ChatBody | null) => Plain | null;
  /** What this server makes of a `response_format`. */
  readonly formatOf: (format: NonNullable<ChatBody['response_format']>) => unknown;
  readonly fingerprint: (turn: Turn) => string;
  /** Which events of a stream have the role: one of its own, the first, or each. */
  readonly role: 'alone' | 'first' | 'each';
  readonly reasoning: 'reasoning' | 'reasoning_content';
  /** Fields that every choice has, also when they are null. */
  readonly always: Readonly<Record<string, unknown>>;
  /** Whether the arguments of a call come in pieces. */
  readonly cutsCalls: boolean;
  readonly hasChoices: boolean;
  readonly error: (message?: string) => string;
}

/** `/v1/chat/completions` as the server of a dialect speaks it. */
export function chatCompletions(dialect: ChatDialect): SpokenPath {
  const head = (turn: Turn, object: string) => ({
    ...headOf(turn, object, 'chatcmpl-stand-in'),
    system_fingerprint: dialect.fingerprint(turn),
  });
  const chunk = (turn: Turn, delta: object, finish: string | null, index = 0, more: object = {}) =>
    event({
      ...head(turn, 'chat.completion.chunk'),
      choices: [{ index, delta, ...dialect.always, ...more, finish_reason: finish }],
    });
  return {
    streamType: 'text/event-stream',
    read(body) {
      const read = chatBodySchema.safeParse(body);
      const refused = dialect.refuseForm(read.success ? read.data : null);
      if (refused !== null) return refused;
      return requestOf(dialect, chatBodySchema.parse(body));
    },
    whole(pieces, turn) {
      const choices = Array.from({ length: turn.choices }, (_, index) => ({
        index,
        ...dialect.always,
        ...logprobsOf(pieces, turn, index),
        finish_reason: finishOf(turn),
        message: { role: 'assistant', ...fieldsOf(dialect, pieces, index) },
      }));
      return plainJson(200, { ...head(turn, 'chat.completion'), choices, usage: usageOf(turn) });
    },
    stream(turn) {
      const begun = new Set<number>();
      const places = Array.from({ length: turn.choices }, (_, index) => index);
      return {
        begin: () =>
          dialect.role === 'alone'
            ? places.map((index) => chunk(turn, { role: 'assistant', content: null }, null, index)).join('')
            : '',
        piece(piece) {
          const index = piece.choice ?? 0;
          const isFirst = !begun.has(index);
          begun.add(index);
          const hasRole = dialect.role === 'each' || (dialect.role === 'first' && isFirst);
          const said = deltaOf(dialect, piece);
          if (said === null) return '';
          const delta = { ...(hasRole ? { role: 'assistant' } : {}), ...said };
          return chunk(turn, delta, null, index, logprobsOf([piece], turn, index));
        },
        end() {
          const ends = places.map((index) => chunk(turn, {}, finishOf(turn), index));
          const counted = { ...head(turn, 'chat.completion.chunk'), choices: [], usage: usageOf(turn) };
          return `${ends.join('')}${turn.includeUsage ? event(counted) : ''}data: [DONE]\n\n`;
        },
      };
    },
    error: dialect.error,
    malformed: 'data: {"id":"chatcmpl-stand-in","cho\n\n',
    alien: event({ weather: 'fine' }),
  };
}

function requestOf(dialect: ChatDialect, body: ChatBody): StandInRequest {
  const { model, messages, stream_options, response_format, tools = [] } = body;
  const stream = body.stream ?? false;
  return {
    wire: dialect.wire,
    path: '/v1/chat/completions',
    model,
    ...readMessages(messages),
    stream,
    includeUsage: !stream || stream_options?.include_usage === true,
    format: response_format === undefined ? undefined : dialect.formatOf(response_format),
    ...NO_CONTEXT_WORDS,
    tools: tools.flatMap((tool) => (tool.function === undefined ? [] : [tool.function.name])),
    choices: dialect.hasChoices ? (body.n ?? 1) : 1,
    logprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : null,
  };
}

/**
 * The message of one of the answers. A server never leaves the content out: it is empty where there is none.
 */
function fieldsOf(dialect: ChatDialect, pieces: readonly AnyPiece[], index: number): Record<string, unknown> {
  const thinking = textOf(pieces, 'thinking', index);
  const calls = callsOf(pieces, index);
  return {
    content: textOf(pieces, 'answer', index),
    ...(thinking === '' ? {} : { [dialect.reasoning]: thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => callOf(call, call.whole, dialect)) }),
  };
}

/** What a piece adds; null where this server has said it already. */
function deltaOf(dialect: ChatDialect, piece: AnyPiece): object | null {
  if (piece.kind === 'tool') return callDeltaOf(dialect, piece);
  if (piece.kind === 'answer') return { content: piece.text };
  // Ollama sends an empty content beside it.
  return { ...(dialect.role === 'first' ? { content: '' } : {}), [dialect.reasoning]: piece.text };
}

function callDeltaOf(dialect: ChatDialect, piece: ToolPiece): object | null {
  const { index } = piece;
  if (!dialect.cutsCalls) {
    if (!piece.isFirst) return null;
    return { content: '', tool_calls: [callOf(piece, piece.whole, dialect)] };
  }
  if (!piece.isFirst) return { tool_calls: [{ index, function: { arguments: piece.text } }] };
  return { tool_calls: [{ index, ...callOf(piece, piece.text, dialect) }] };
}

function callOf({ id, name, index }: ToolPiece, text: string, dialect: ChatDialect): object {
  // Ollama numbers the calls of a whole answer as well.
  const place = dialect.cutsCalls ? {} : { index };
  return { id, ...place, type: 'function', function: { name, arguments: text } };
}

/** The log probabilities of pieces by the names of the API; nothing where none are asked for. */
export function logprobsOf(pieces: readonly AnyPiece[], turn: Turn, index: number): object {
  const { logprobs } = turn;
  const own = pieces.filter(({ kind, choice = 0 }) => kind === 'answer' && choice === index);
  if (logprobs === null || own.length === 0) return {};
  return { logprobs: { content: own.map(({ text }) => logprobOf(text, logprobs)) } };
}

/** How an answer ended, in the words of the API. */
function finishOf(turn: Turn): string {
  return turn.callsTools && turn.finishReason === 'stop' ? 'tool_calls' : turn.finishReason;
}

/** What every response begins with. */
export function headOf(turn: Turn, object: string, id: string): Record<string, unknown> {
  return { id, object, created: Math.floor(turn.startedAtMs / 1000), model: turn.model };
}

/** The tokens of a turn by the names of the API. */
export function usageOf(turn: Turn): Record<string, number> {
  return {
    prompt_tokens: turn.promptTokens,
    completion_tokens: turn.completionTokens,
    total_tokens: turn.promptTokens + turn.completionTokens,
  };
}
