/** An answer and what was thought before it. */
export interface SplitText {
  readonly answer: string;
  readonly thinking: string;
}

const OPEN = '<think>';
const CLOSE = '</think>';

/**
 * Splits raw `<think>…</think>` off the beginning of an answer, for servers that do not do it. A template may give the
 * model the opening tag, so that only the closing one comes; that counts only on a line of its own, for an answer may
 * well speak of the tag. Thinking that was never closed leaves an empty answer.
 */
export function splitThinking(content: string): SplitText {
  const start = content.trimStart();
  if (start.startsWith(OPEN)) {
    const close = start.indexOf(CLOSE);
    if (close === -1) return { answer: '', thinking: start.slice(OPEN.length).trim() };
    return {
      answer: start.slice(close + CLOSE.length).trimStart(),
      thinking: start.slice(OPEN.length, close).trim(),
    };
  }
  const orphan = /(?:^|\n)<\/think>[ \t]*(?:\r?\n|$)/.exec(content);
  if (orphan === null || content.includes(OPEN)) return { answer: content, thinking: '' };
  return {
    answer: content.slice(orphan.index + orphan[0].length).trimStart(),
    thinking: content.slice(0, orphan.index).trim(),
  };
}
