/**
 * A second JSON parser, written from RFC 8259 and without any code of the one under test. It is slow, and as
 * strict as a message requires. Returns the value, or undefined where the text is not JSON, has a key twice,
 * `__proto__`, a number that is not finite, or nests deeper than `maxDepth`.
 */
export function referenceJson(text: string, maxDepth: number): { value: unknown } | undefined {
  let at = 0;
  const fail = (): never => {
    throw new SyntaxError(`at ${at}`);
  };
  const blank = (): void => {
    while (at < text.length && ' \t\n\r'.includes(text[at] ?? '')) at += 1;
  };
  const take = (pattern: RegExp): string => {
    const match = new RegExp(pattern.source, 'y');
    match.lastIndex = at;
    const found = match.exec(text)?.[0] ?? fail();
    at += found.length;
    return found;
  };
  const string = (): string => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them
    const raw = take(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/);
    return raw.slice(1, -1).replace(/\\(u([0-9a-fA-F]{4})|.)/g, (_all, kind: string, hex?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }[kind] ?? kind;
    });
  };
  const value = (depth: number): unknown => {
    blank();
    const char = text[at];
    if (char === '"') return string();
    if (char === '{' || char === '[') {
      if (depth === maxDepth) fail();
      at += 1;
      return char === '{' ? object(depth + 1) : array(depth + 1);
    }
    for (const [word, meaning] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (!text.startsWith(word, at)) continue;
      at += word.length;
      return meaning;
    }
    const number = Number(take(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/));
    return Number.isFinite(number) ? number : fail();
  };
  const object = (depth: number): unknown => {
    const members: Record<string, unknown> = {};
    for (let first = true; ; first = false) {
      blank();
      if (first && text[at] === '}') break;
      const key = string();
      if (Object.hasOwn(members, key) || key === '__proto__') fail();
      blank();
      if (text[at] !== ':') fail();
      at += 1;
      members[key] = value(depth);
      blank();
      if (text[at] === '}') break;
      if (text[at] !== ',') fail();
      at += 1;
    }
    at += 1;
    return members;
  };
  const array = (depth: number): unknown => {
    const items: unknown[] = [];
    for (let first = true; ; first = false) {
      blank();
      if (first && text[at] === ']') break;
      items.push(value(depth));
      blank();
      if (text[at] === ']') break;
      if (text[at] !== ',') fail();
      at += 1;
    }
    at += 1;
    return items;
  };
  try {
    const read = value(0);
    blank();
    return at === text.length ? { value: read } : undefined;
  } catch {
    return undefined;
  }
}
