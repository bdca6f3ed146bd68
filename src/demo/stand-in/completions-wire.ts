import * as z from 'zod';
import { headOf, logprobsOf, usageOf } from './chat-completions-wire.js';
import type { WireName } from './stand-in-request.js';
import {
  event,
  NO_CONTEXT_WORDS,
  type Plain,
  plainJson,
  type SpokenPath,
  type Turn,
  textOf,
} from './wire.js';

const bodySchema = z.object({
  model: z.string(),
  prompt: z.union([z.string(), z.array(z.string()).min(1)]),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().default(false) }).nullish(),
  n: z.int().min(1).nullish(),
  logprobs: z.int().min(0).nullish(),
});

/** How the servers differ that speak this API. */
export interface CompletionsDialect {
  readonly wire: WireName;
  readonly fingerprint: (turn: Turn) => string;
  /** Fields that every choice has, also when they are null. */
  readonly always: Readonly<Record<string, unknown>>;
  /** Which event of a stream has the usage: one of its own, if it is asked for, or the last. */
  readonly usage: 'alone' | 'last';
  readonly hasChoices: boolean;
  readonly hasLogprobs: boolean;
  readonly badForm: Plain;
  readonly error: (message?: string) => string;
}

/** `/v1/completions` as the server of a dialect speaks it. */
export function completions(dialect: CompletionsDialect): SpokenPath {
  const head = (turn: Turn) => ({
    ...headOf(turn, 'text_completion', 'cmpl-stand-in'),
    system_fingerprint: dialect.fingerprint(turn),
  });
  const places = (turn: Turn) => Array.from({ length: turn.choices }, (_, index) => index);
  return {
    streamType: 'text/event-stream',
    read(body) {
      const read = bodySchema.safeParse(body);
      if (!read.success) return dialect.badForm;
      const { model, prompt, stream_options, n, logprobs } = read.data;
      const prompts = typeof prompt === 'string' ? [prompt] : prompt;
      if (prompts.length > 1 && !dialect.hasChoices) return dialect.badForm;
      const stream = read.data.stream ?? false;
      const [question = ''] = prompts;
      return {
        wire: dialect.wire,
        path: '/v1/completions',
        model,
        question,
        conversation: prompts.join('\n'),
        stream,
        hasImages: false,
        includeUsage: !stream || stream_options?.include_usage === true,
        format: undefined,
        ...NO_CONTEXT_WORDS,
        tools: [],
        choices: dialect.hasChoices ? prompts.length * (n ?? 1) : 1,
        logprobs: dialect.hasLogprobs ? (logprobs ?? null) : null,
      };
    },
    whole: (pieces, turn) =>
      plainJson(200, {
        ...head(turn),
        choices: places(turn).map((index) => ({
          text: textOf(pieces, 'answer', index),
          index,
          ...dialect.always,
          ...logprobsOf(pieces, turn, index),
          finish_reason: turn.finishReason,
        })),
        usage: usageOf(turn),
      }),
    stream: (turn) => ({
      // llama.cpp begins with this where it makes several answers.
      begin: () => (turn.choices > 1 ? event(null) : ''),
      piece(piece) {
        if (piece.kind !== 'answer') return '';
        const index = piece.choice ?? 0;
        const more = { ...dialect.always, ...logprobsOf([piece], turn, index) };
        return event({ ...head(turn), choices: [{ text: piece.text, index, ...more, finish_reason: null }] });
      },
      end() {
        const usage = dialect.usage === 'last' ? { usage: usageOf(turn) } : {};
        const ends = places(turn).map((index) => {
          const choice = { text: '', index, ...dialect.always, finish_reason: turn.finishReason };
          return event({ ...head(turn), choices: [choice], ...usage });
        });
        const isAlone = dialect.usage === 'alone' && turn.includeUsage;
        const counted = isAlone ? event({ ...head(turn), choices: [], usage: usageOf(turn) }) : '';
        return `${ends.join('')}${counted}data: [DONE]\n\n`;
      },
    }),
    error: dialect.error,
    malformed: 'data: {"id":"cmpl-stand-in","cho\n\n',
    alien: event({ weather: 'fine' }),
  };
}
