/** A regular expression as its parts. */
export type RegexNode =
  | { readonly kind: 'either'; readonly branches: readonly RegexNode[] }
  | { readonly kind: 'row'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly body: RegexNode; readonly min: number; readonly max: number }
  /** One character: `source` matches it by itself. */
  | { readonly kind: 'char'; readonly source: string }
  | { readonly kind: 'start' }
  /** `$`, `\b`, `\B`: takes no character, and may fail. */
  | { readonly kind: 'condition' }
  | { readonly kind: 'ahead'; readonly body: RegexNode };

/**
 * Parses the source of a regular expression, as far as ours go. Throws for a back reference, a look-behind,
 * a named group: nothing that the check of costs knows about.
 */
export function parseRegex(source: string): RegexNode {
  let at = 0;
  const node = either();
  if (at < source.length) throw unknown();
  return node;

  function unknown(): Error {
    return new Error(`/${source}/ has something at ${at} that the check of its cost does not know`);
  }

  function take(text: string): boolean {
    if (!source.startsWith(text, at)) return false;
    at += text.length;
    return true;
  }

  function either(): RegexNode {
    const branches = [row()];
    while (take('|')) branches.push(row());
    return branches.length === 1 && branches[0] !== undefined ? branches[0] : { kind: 'either', branches };
  }

  function row(): RegexNode {
    const parts: RegexNode[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(repeated(atom()));
    return { kind: 'row', parts };
  }

  function atom(): RegexNode {
    if (take('(?:')) return closed(either());
    if (take('(?=') || take('(?!')) return { kind: 'ahead', body: closed(either()) };
    if (source.startsWith('(?', at)) throw unknown();
    if (take('(')) return closed(either());
    if (take('^')) return { kind: 'start' };
    if (take('$') || take('\\b') || take('\\B')) return { kind: 'condition' };
    const char =
      /\[\^?(?:\\[\s\S]|[^\]\\])*\]|\\(?:u[0-9a-f]{4}|x[0-9a-f]{2}|[pP]\{\w+\}|[^1-9kux])|[^\\*+?{}[\]()]/iy;
    char.lastIndex = at;
    const found = char.exec(source)?.[0];
    if (found === undefined) throw unknown();
    at += found.length;
    return { kind: 'char', source: found };
  }

  function closed(body: RegexNode): RegexNode {
    if (!take(')')) throw unknown();
    return body;
  }

  function repeated(body: RegexNode): RegexNode {
    const count = /(?:([*+?])|\{([0-9]+)(,?)([0-9]*)\})\??/y;
    count.lastIndex = at;
    const found = count.exec(source);
    if (found === null) return body;
    at += found[0].length;
    const [, sign, least = '', comma, most = ''] = found;
    if (sign !== undefined) {
      return {
        kind: 'repeat',
        body,
        min: sign === '+' ? 1 : 0,
        max: sign === '?' ? 1 : Number.POSITIVE_INFINITY,
      };
    }
    const min = Number(least);
    const max = comma === '' ? min : most === '' ? Number.POSITIVE_INFINITY : Number(most);
    return { kind: 'repeat', body, min, max };
  }
}
