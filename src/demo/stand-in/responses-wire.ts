import * as z from 'zod';
import { contentSchema, readMessages, textIn } from './read-prompts.js';
import { ResponseStream } from './response-stream.js';
import type { ResponsesDialect } from './responses-dialect.js';
import { event, NO_CONTEXT_WORDS, ONE_ANSWER, plainJson, type SpokenPath } from './wire.js';

const bodySchema = z.object({
  model: z.string(),
  input: z.union([
    z.string(),
    z.array(z.object({ role: z.string().optional(), content: contentSchema.nullish() })).min(1),
  ]),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  text: z.object({ format: z.object({ type: z.string(), schema: z.unknown().optional() }) }).nullish(),
  tools: z.array(z.object({ type: z.string(), name: z.string().optional() })).nullish(),
});

/** `/v1/responses` as the server of a dialect speaks it. */
export function responses(dialect: ResponsesDialect): SpokenPath {
  return {
    streamType: 'text/event-stream',
    read(body) {
      const read = bodySchema.safeParse(body);
      if (!read.success) return dialect.badForm;
      const { model, input, instructions, stream, text, tools } = read.data;
      const said = readMessages(typeof input === 'string' ? [{ role: 'user', content: input }] : input);
      return {
        wire: dialect.wire,
        path: '/v1/responses',
        model,
        ...said,
        conversation: [textIn(instructions), said.conversation].filter((one) => one !== '').join('\n'),
        stream: stream ?? false,
        format: text?.format.type === 'json_schema' ? text.format.schema : undefined,
        ...NO_CONTEXT_WORDS,
        tools: (tools ?? []).flatMap(({ type, name }) => (type === 'function' && name ? [name] : [])),
        ...ONE_ANSWER,
      };
    },
    whole(pieces, turn) {
      const stream = new ResponseStream(dialect, turn);
      stream.begin();
      for (const piece of pieces) stream.piece(piece);
      // llama.cpp says this only without a stream.
      const lean = dialect.isLean ? { completed_at: Math.floor(turn.startedAtMs / 1000) } : {};
      return plainJson(200, { ...stream.finished(), ...lean });
    },
    stream: (turn) => new ResponseStream(dialect, turn),
    error: dialect.error,
    malformed: 'event: response.output_text.delta\ndata: {"type":"response.outp\n\n',
    alien: event({ weather: 'fine' }),
  };
}
