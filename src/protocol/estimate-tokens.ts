import type { ChatMessage } from './task.js';

/** What a message costs besides its text: its role and its marks, in the templates of common models. */
const TOKENS_A_MESSAGE = 4;

/**
 * About how many tokens a text has. Tokenizers differ, so this is a rule that anybody can compute: of UTF-16 code units below U+0250 (Latin
 * script, digits, signs) four are a token, below U+2E80 (Cyrillic, Greek, Arabic, …) two, and each beyond (Chinese, Japanese, Korean,
 * half of an emoji) is one; rounded up.
 */
export function estimateTokens(text: string): number {
  let quarters = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x250) quarters += 1;
    else quarters += unit < 0x2e80 ? 2 : 4;
  }
  return Math.ceil(quarters / 4);
}

/** The same of messages, each with what it costs besides its text. */
export function estimateMessages(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + TOKENS_A_MESSAGE + estimateTokens(content), 0);
}
