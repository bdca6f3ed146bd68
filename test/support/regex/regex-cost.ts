import { parseRegex, type RegexNode } from './parse-regex.js';

/** Counted repetitions above this limit are not expanded turn by turn. */
const MAX_LAID_OUT = 8;

/** How often a counted repetition may make a pattern read the same character again. */
const MAX_COUNTED = 1000;

/**
 * Why the time that a search with this pattern takes may grow faster than the text it searches; null where
 * it cannot. No clock: it follows from the pattern alone.
 *
 * The pattern becomes an automaton, with one state for each character in it and one for the search itself,
 * which tries every place of the text. Backtracking takes more than linear time only if some text leads from
 * a state `p` back to `p`, from `p` to another state `q`, and from `q` back to `q`: repeated n times, it can
 * be cut into the part of `p` and that of `q` in n ways, and a search that fails in the end has tried them
 * all (A. Weber and H. Seidl, On the degree of ambiguity of finite automata, 1991; M. Berglund and others,
 * Analyzing catastrophic backtracking behavior, 2014). A state where the pattern has matched, whatever
 * comes, ends a search; such a one is no `p` and no `q`. What is not known (whether `\b` holds, whether the
 * text can go on so that the search fails) counts as possible, so a pattern may be blamed wrongly, and none
 * is let off wrongly.
 */
export function superlinearCause(source: string, flags: string): string | null {
  const tree = parseRegex(source);
  const cause = causeIn(source, flags, tree, 'open');
  if (cause === null) return null;
  const asCounted = causeIn(source, flags, tree, 'counted');
  if (asCounted !== null) return asCounted;
  const turns = countedTurns(tree);
  return turns <= MAX_COUNTED ? null : `its counts multiply to ${turns}, and ${cause}`;
}

/** All counted repetitions above MAX_LAID_OUT, multiplied. */
function countedTurns(node: RegexNode): number {
  switch (node.kind) {
    case 'either':
      return node.branches.reduce((product, branch) => product * countedTurns(branch), 1);
    case 'row':
      return node.parts.reduce((product, part) => product * countedTurns(part), 1);
    case 'repeat': {
      const isCounted = node.max > MAX_LAID_OUT && node.max < Number.POSITIVE_INFINITY;
      return (isCounted ? node.max : 1) * countedTurns(node.body);
    }
    case 'ahead':
      return countedTurns(node.body);
    default:
      return 1;
  }
}

/** Ways to match nothing: freely, at the start of the text (or line) only, or under a condition. */
interface Empty {
  readonly atStart: boolean;
  readonly onCondition: boolean;
}

/** A part of the pattern: which states can be its first and its last, and how it can match nothing. */
interface Part {
  readonly first: readonly { readonly state: number; readonly atStart: boolean }[];
  readonly last: readonly { readonly state: number; readonly onCondition: boolean }[];
  readonly empties: readonly Empty[];
}

const NOTHING: Part = { first: [], last: [], empties: [{ atStart: false, onCondition: false }] };

interface Automaton {
  /** By state: the character it takes, as the source of a pattern. */
  readonly chars: string[];
  /** `from * FACTOR + to` → in how many ways. */
  readonly steps: Map<number, number>;
}

const FACTOR = 4096;

function causeIn(source: string, flags: string, tree: RegexNode, counts: 'open' | 'counted'): string | null {
  const automaton: Automaton = { chars: [], steps: new Map() };
  const whole = build(automaton, tree, counts);
  const alphabet = alphabetOf(source, automaton.chars, flags);
  const graph = searchGraph(automaton, whole, alphabet, flags);
  return findCause(graph, automaton.chars);
}

function build(automaton: Automaton, node: RegexNode, counts: 'open' | 'counted'): Part {
  switch (node.kind) {
    case 'char': {
      const state = automaton.chars.push(node.source) - 1;
      return { first: [{ state, atStart: false }], last: [{ state, onCondition: false }], empties: [] };
    }
    case 'start':
      return { ...NOTHING, empties: [{ atStart: true, onCondition: false }] };
    case 'condition':
      return { ...NOTHING, empties: [{ atStart: false, onCondition: true }] };
    case 'ahead': {
      // What is looked at is matched like anything else, and then the pattern goes on from where it was.
      const body = build(automaton, node.body, counts);
      return { first: body.first, last: [], empties: [{ atStart: false, onCondition: true }] };
    }
    case 'row':
      return node.parts.reduce<Part>(
        (left, part) => join(automaton, left, build(automaton, part, counts)),
        NOTHING,
      );
    case 'either': {
      const branches = node.branches.map((branch) => build(automaton, branch, counts));
      return {
        first: branches.flatMap((branch) => branch.first),
        last: branches.flatMap((branch) => branch.last),
        empties: branches.flatMap((branch) => branch.empties),
      };
    }
    case 'repeat':
      return buildRepeat(automaton, node, counts);
  }
}

function buildRepeat(
  automaton: Automaton,
  { body, min, max }: Extract<RegexNode, { kind: 'repeat' }>,
  counts: 'open' | 'counted',
): Part {
  const one = () => build(automaton, body, counts);
  const optional = (part: Part): Part => ({ ...part, empties: [...part.empties, ...NOTHING.empties] });
  const isCounted = max > MAX_LAID_OUT && max < Number.POSITIVE_INFINITY;
  if (max === Number.POSITIVE_INFINITY || (isCounted && counts === 'open')) {
    const part = one();
    link(automaton, part, part);
    return min === 0 ? optional(part) : part;
  }
  // Two of many turns are enough to see whether one can be mistaken for the next.
  const turns = isCounted ? 2 : max;
  const needed = isCounted ? Math.min(min, 2) : min;
  let rest = NOTHING;
  for (let turn = turns; turn > 0; turn -= 1) {
    const joined = join(automaton, one(), rest);
    rest = turn > needed ? optional(joined) : joined;
  }
  return rest;
}

function join(automaton: Automaton, left: Part, right: Part): Part {
  link(automaton, left, right);
  return {
    first: [
      ...left.first,
      ...left.empties.flatMap(({ atStart }) =>
        right.first.map((one) => ({ state: one.state, atStart: one.atStart || atStart })),
      ),
    ],
    last: [
      ...right.last,
      ...right.empties.flatMap(({ onCondition }) =>
        left.last.map((one) => ({ state: one.state, onCondition: one.onCondition || onCondition })),
      ),
    ],
    empties: left.empties.flatMap((one) =>
      right.empties.map((other) => ({
        atStart: one.atStart || other.atStart,
        onCondition: one.onCondition || other.onCondition,
      })),
    ),
  };
}

function link(automaton: Automaton, left: Part, right: Part): void {
  for (const { state: from } of left.last) {
    for (const { state: to } of right.first) {
      const step = from * FACTOR + to;
      automaton.steps.set(step, (automaton.steps.get(step) ?? 0) + 1);
    }
  }
}

/** For each kind of character (those that all states treat alike), which states take it. */
interface Alphabet {
  readonly takes: readonly (readonly boolean[])[];
  readonly isNewline: readonly boolean[];
}

function alphabetOf(source: string, chars: readonly string[], flags: string): Alphabet {
  const points = [...BASE_POINTS, ...[...source].map((char) => char.codePointAt(0) ?? 0)];
  for (const [, hex = ''] of source.matchAll(/\\u([0-9a-f]{4})/gi)) {
    for (const near of [-1, 0, 1]) points.push(Math.max(0, Number.parseInt(hex, 16) + near));
  }
  const same = flags.replace(/[gymd]/g, '');
  const kinds = new Map<string, { takes: boolean[]; isNewline: boolean }>();
  for (const point of new Set(points)) {
    const takes = chars.map((char) => takesPoint(char, same, point));
    const isNewline = /[\n\r\u2028\u2029]/.test(String.fromCodePoint(point));
    kinds.set(`${takes.map(Number).join('')}${isNewline}`, { takes, isNewline });
  }
  const all = [...kinds.values()];
  return { takes: all.map((kind) => kind.takes), isNewline: all.map((kind) => kind.isNewline) };
}

/** Characters that classes tell apart: ASCII, Latin, white space, another script, half a pair. */
const BASE_POINTS = [
  ...Array.from({ length: 0x100 }, (_, point) => point),
  ...[0x1680, 0x2000, 0x2028, 0x2029, 0x3000, 0x4e00, 0xd800, 0xfeff],
];

const known = new Map<string, { readonly pattern: RegExp; readonly points: Map<number, boolean> }>();

/** Whether this part of a pattern takes this character. Most parts stand in many patterns. */
function takesPoint(char: string, flags: string, point: number): boolean {
  const name = `${flags}/${char}`;
  const one = known.get(name) ?? { pattern: new RegExp(`^${char}$`, flags), points: new Map() };
  known.set(name, one);
  const answer = one.points.get(point) ?? one.pattern.test(String.fromCodePoint(point));
  one.points.set(point, answer);
  return answer;
}

/** The automaton of a search. */
interface Graph {
  readonly size: number;
  /** By state and kind of character: where it leads. */
  readonly next: Steps;
  /**
   * The same, and from the end of a match on to the next one: for patterns that are used again and again on
   * one text.
   */
  readonly nextMatch: Steps;
  /** States where the pattern has matched whatever comes. */
  readonly hasMatched: ReadonlySet<number>;
  /** Pairs of states with more than one way between them. */
  readonly doubled: readonly (readonly [number, number])[];
}
type Steps = readonly (readonly (readonly number[])[])[];

function searchGraph(automaton: Automaton, whole: Part, alphabet: Alphabet, flags: string): Graph {
  const states = Array.from(automaton.chars, (_, state) => state);
  const kinds = Array.from(alphabet.takes, (_, kind) => kind);
  // The search itself: at a place behind a newline, and at any other.
  const [onNewLine, elsewhere] = [states.length, states.length + 1];
  const isSticky = flags.includes('y');
  const isLoop = isSticky || flags.includes('g');
  const hasMatched = new Set(whole.last.filter((one) => !one.onCondition).map((one) => one.state));
  const takers = (some: readonly number[], kind: number) => [
    ...new Set(some.filter((state) => alphabet.takes[kind]?.[state] === true)),
  ];
  const entries = (atLineStart: boolean) =>
    whole.first
      .filter(({ atStart }) => !atStart || (atLineStart && flags.includes('m')))
      .map(({ state }) => state);
  const search = (atLineStart: boolean) =>
    kinds.map((kind) => [
      ...(isSticky ? [] : [alphabet.isNewline[kind] === true ? onNewLine : elsewhere]),
      ...takers(entries(atLineStart), kind),
    ]);
  const pattern = states.map((from) => {
    const follow = states.filter((to) => automaton.steps.has(from * FACTOR + to));
    return kinds.map((kind) => takers(follow, kind));
  });
  const next = [...pattern, search(true), search(false)].map((byKind) =>
    // Where one match is the end, nothing comes after it.
    byKind.map((some) => (isLoop ? some : some.filter((state) => !hasMatched.has(state)))),
  );
  const again = search(true);
  const nextMatch = next.map((byKind, from) =>
    isLoop && hasMatched.has(from) ? byKind.map((some, kind) => [...some, ...(again[kind] ?? [])]) : byKind,
  );
  const doubled = [...automaton.steps]
    .filter(([, ways]) => ways > 1)
    .map(([step]) => [Math.floor(step / FACTOR), step % FACTOR] as const);
  return { size: next.length, next, nextMatch: isSticky ? nextMatch : next, hasMatched, doubled };
}

function findCause(graph: Graph, chars: readonly string[]): string | null {
  const name = (state: number) => chars[state] ?? 'the search';
  const reach = reachOf(graph.next);
  const reachMatch = reachOf(graph.nextMatch);
  const isLooping = (state: number) => reach[state]?.has(state) === true && !graph.hasMatched.has(state);
  for (const [from, to] of graph.doubled) {
    if (reach[to]?.has(from) && isLooping(from) && isLooping(to))
      return `${name(from)} leads to ${name(to)} in two ways, again and again`;
  }
  for (let p = 0; p < graph.size; p++) {
    // With a sticky pattern, the end of a match is the place that is searched next.
    const isStart = graph.nextMatch !== graph.next && graph.hasMatched.has(p) && reachMatch[p]?.has(p);
    if (!isLooping(p) && !isStart) continue;
    for (let q = 0; q < graph.size; q++) {
      if (p === q || !isLooping(q) || !reachMatch[p]?.has(q)) continue;
      if (isPumped(graph, { to: (from) => reachMatch[from], of: (from) => reach[from] }, p, q))
        return `the same text repeats ${name(p)} and ${name(q)}`;
    }
  }
  return null;
}

function reachOf(steps: Steps): Set<number>[] {
  const flat = steps.map((byKind) => [...new Set(byKind.flat())]);
  return flat.map((_, from) => reachableFrom(flat, from));
}

function reachableFrom(flat: readonly (readonly number[])[], from: number): Set<number> {
  const seen = new Set<number>();
  const open = [...(flat[from] ?? [])];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (seen.has(state)) continue;
    seen.add(state);
    open.push(...(flat[state] ?? []));
  }
  return seen;
}

/** Whether one text leads from p to p, from p to q, and from q to q. */
function isPumped(
  graph: Graph,
  reach: {
    to(from: number): ReadonlySet<number> | undefined;
    of(from: number): ReadonlySet<number> | undefined;
  },
  p: number,
  q: number,
): boolean {
  const idOf = (a: number, b: number, c: number) => (a * graph.size + b) * graph.size + c;
  const seen = new Set<number>();
  const open: [number, number, number][] = [[p, p, q]];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const [a, b, c] = at;
    for (const [kind, fromA] of (graph.nextMatch[a] ?? []).entries()) {
      const toA = fromA.filter((state) => state === p || reach.to(state)?.has(p));
      const toB = (graph.nextMatch[b]?.[kind] ?? []).filter(
        (state) => state === q || reach.to(state)?.has(q),
      );
      const toC = (graph.next[c]?.[kind] ?? []).filter((state) => state === q || reach.of(state)?.has(q));
      for (const nextA of toA) {
        for (const nextB of toB) {
          for (const nextC of toC) {
            if (nextA === p && nextB === q && nextC === q) return true;
            const id = idOf(nextA, nextB, nextC);
            if (seen.has(id)) continue;
            seen.add(id);
            open.push([nextA, nextB, nextC]);
          }
        }
      }
    }
  }
  return false;
}
