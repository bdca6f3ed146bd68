/**
 * Finds what `JSON.parse` lets through and a message must not have: a key that stands twice in one object (two readers
 * would see two messages), the key `__proto__`, a number that becomes infinite, and nesting beyond `maxDepth`. `text` must already be valid JSON.
 * Answers the fault in words, or null.
 *
 * A scanner of our own because `JSON.parse` hides duplicates and this layer imports nothing that reads JSON; being run on
 * valid JSON only, it needs no grammar: strings and brackets tell everything.
 */
export function findJsonFault(text: string, maxDepth: number): string | null {
  const open: { keys: Set<string> | null; expectsKey: boolean }[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    const inner = open.at(-1);
    if (char === '{' || char === '[') {
      if (open.length === maxDepth) return `nests deeper than ${maxDepth} levels`;
      open.push(char === '{' ? { keys: new Set(), expectsKey: true } : { keys: null, expectsKey: false });
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === ',') {
      if (inner?.keys) inner.expectsKey = true;
    } else if (char === '"') {
      const end = endOfString(text, at);
      if (inner?.keys && inner.expectsKey) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (key === '__proto__') return 'has the key "__proto__"';
        if (inner.keys.has(key)) return `has the key ${JSON.stringify(key)} twice`;
        inner.keys.add(key);
        inner.expectsKey = false;
      }
      at = end;
    } else if (char === '-' || (char !== undefined && char >= '0' && char <= '9')) {
      const number = /[-+.0-9eE]+/y;
      number.lastIndex = at;
      const digits = number.exec(text)?.[0] ?? char;
      if (!Number.isFinite(Number(digits)))
        return `has the number ${digits.slice(0, 20)}, which is too large`;
      at += digits.length - 1;
    }
  }
  return null;
}

/** The index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
