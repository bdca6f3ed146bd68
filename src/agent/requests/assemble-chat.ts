import * as z from 'zod';
import type { Usage } from '../../protocol/answer.js';

type Fields = Readonly<Record<string, unknown>>;

/** Puts the events of a response together. */
export interface Assembler {
  take(event: string): void;
  /** Takes a body that came without a stream. */
  read(body: Fields): void;
  isComplete(): boolean;
  body(): Record<string, unknown>;
  text(): string | null;
  finishReason(): string | undefined;
  usage(): Usage | undefined;
  model(): string | undefined;
}

const text = z.string().nullish().catch(undefined);
const chunkSchema = z.looseObject({
  model: z.string().optional(),
  choices: z
    .array(
      z.looseObject({
        index: z.int().min(0).max(7).default(0),
        delta: z.record(z.string(), z.unknown()).default({}),
        finish_reason: text,
      }),
    )
    .default([]),
  usage: z.looseObject({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0) }).nullish(),
});

/** The body of `/v1/chat/completions` from its events: the text of each choice, and what each begins with. */
export function openChatAssembler(): Assembler {
  let whole: Record<string, unknown> | null = null;
  let head: Fields = {};
  let usage: z.infer<typeof chunkSchema>['usage'];
  let isDone = false;
  const choices = new Map<number, { message: Record<string, unknown>; finish_reason: string | null }>();
  const body = (): Record<string, unknown> =>
    whole ?? {
      ...head,
      object: 'chat.completion',
      choices: [...choices].sort(([a], [b]) => a - b).map(([index, choice]) => ({ index, ...choice })),
      ...(usage ? { usage } : {}),
    };
  const first = () => {
    const read = bodySchema.safeParse(body());
    return read.success ? read.data : null;
  };
  return {
    take(event) {
      const data = event.replace(/^data: ?/, '');
      if (data === '[DONE]') isDone = true;
      const read = data === '[DONE]' ? null : chunkSchema.safeParse(JSON.parse(data));
      if (!read?.success) return;
      const { choices: said, usage: counted, ...rest } = read.data;
      if (Object.keys(head).length === 0) head = rest;
      usage = counted ?? usage;
      for (const { index, delta, finish_reason, ...more } of said) {
        const choice = choices.get(index) ?? { ...more, message: {}, finish_reason: null };
        choices.set(index, choice);
        for (const [name, value] of Object.entries(delta)) {
          const before = choice.message[name];
          choice.message[name] =
            typeof before === 'string' && typeof value === 'string' && name !== 'role'
              ? before + value
              : value;
        }
        choice.finish_reason = finish_reason ?? choice.finish_reason;
      }
    },
    read(given) {
      whole = { ...given };
    },
    isComplete: () => isDone || [...choices.values()].some((choice) => choice.finish_reason !== null),
    body,
    text: () => first()?.choices[0]?.message.content ?? null,
    finishReason: () => first()?.choices[0]?.finish_reason ?? undefined,
    usage() {
      const counted = first()?.usage;
      return counted
        ? { prompt_tokens: counted.prompt_tokens, completion_tokens: counted.completion_tokens }
        : undefined;
    },
    model: () => first()?.model,
  };
}

const bodySchema = z.object({
  model: z.string().optional(),
  choices: z.array(z.object({ message: z.object({ content: text }), finish_reason: text })),
  usage: chunkSchema.shape.usage,
});
