const FENCE = '```';

/** JSON without the Markdown fence some models put around it, and without white space at its ends. */
export function unwrapJson(text: string): string {
  const whole = text.trim();
  const firstLineEnd = whole.indexOf('\n');
  if (firstLineEnd === -1 || !whole.endsWith(FENCE)) return whole;
  if (!/^```(?:json)?\s*$/i.test(whole.slice(0, firstLineEnd))) return whole;
  return whole.slice(firstLineEnd + 1, -FENCE.length).trim();
}
