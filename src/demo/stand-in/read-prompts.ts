import * as z from 'zod';

/** A text, or a list of parts of which some have a text. */
export const contentSchema = z.union([
  z.string(),
  z.array(z.object({ type: z.string(), text: z.string().optional() })),
]);

/** The text of a content; empty where there is none. */
export function textIn(content: z.infer<typeof contentSchema> | null | undefined): string {
  if (content === null || content === undefined) return '';
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');
}

/** What messages ask: the text of the user's last message, all text, and whether there is a picture. */
export function readMessages(
  messages: readonly {
    role?: string | undefined;
    content?: z.infer<typeof contentSchema> | null | undefined;
  }[],
): { question: string; conversation: string; hasImages: boolean } {
  return {
    question: textIn(messages.findLast(({ role }) => role === 'user')?.content),
    conversation: messages.map(({ content }) => textIn(content)).join('\n'),
    hasImages: messages.some(
      ({ content }) => Array.isArray(content) && content.some(({ type }) => /image/.test(type)),
    ),
  };
}
