import type { ChatMessage } from './task.js';

/**
 * What a message costs besides its text: its role and the markers around it, in the templates of common
 * models.
 */
const TOKENS_A_MESSAGE = 4;

/**
 * Estimates how many tokens a text has. Tokenizers differ, so this is a rule that any program can compute on
 * UTF-16 code units. Four units below U+0250 (Latin script, digits, signs) are one token. Two units from
 * there to below U+2E80 (Cyrillic, Greek, Arabic, …) are one token. Each unit beyond (Chinese, Japanese,
 * Korean, half of an emoji) is one token. The sum is rounded up.
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

/** Estimates the tokens of messages: each one's text, and what a message costs besides its text. */
export function estimateMessages(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + TOKENS_A_MESSAGE + estimateTokens(content), 0);
}
