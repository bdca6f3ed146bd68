/** The longest pattern, in characters. Those of real schemas (dates, ids, versions) stay under 300. */
export const MAX_PATTERN_CHARS = 1000;

/**
 * How many pieces a pattern may have once its counted repetitions are written out. A model server makes a
 * grammar rule of each; llama.cpp itself gives up above 2000 repetitions (MAX_REPETITION_THRESHOLD).
 */
export const MAX_PIECES = 2000;

/** How deep its groups may nest. */
const MAX_GROUPS_DEEP = 16;

/** A group that is being read: of the pattern itself, or in parentheses. */
interface Group {
  /** The pieces before the last atom, written out. */
  pieces: number;
  /** The last atom, which a quantifier may still follow. */
  atom: Atom | null;
  /** In this alternative: how many atoms are endless, and how many are required and end. */
  loops: number;
  firm: number;
  /** Whether an alternative is nothing but endless repetitions. */
  isLoop: boolean;
}

interface Atom {
  readonly pieces: number;
  /** It is endless, or a group with an alternative that is nothing but endless repetitions. */
  readonly isLoop: boolean;
  /** It may be missing. */
  readonly isOptional: boolean;
}

/**
 * What is wrong with a regular expression of a schema, for a sentence, or null: model servers make a grammar
 * or an automaton of it, so `(a{0,9999}){0,9999}` takes all memory, and `(a+)+` all time. Only repetitions
 * are looked at; whether it is a regular expression at all is for the server to say.
 */
export function patternFault(pattern: string): string | null {
  if (pattern.length > MAX_PATTERN_CHARS) {
    return `has a pattern of ${pattern.length} characters; the limit is ${MAX_PATTERN_CHARS}`;
  }
  const open: Group[] = [newGroup()];
  for (const token of tokensOf(pattern)) {
    const group = open.at(-1) as Group;
    const repeat = repetitionOf(token);
    if (token.startsWith('(')) {
      if (open.length > MAX_GROUPS_DEEP)
        return `has a pattern with groups nested deeper than ${MAX_GROUPS_DEEP}`;
      open.push(newGroup());
    } else if (token === ')' && open.length > 1) {
      endAlternative(group);
      open.pop();
      const pieces = Math.max(1, group.pieces);
      addAtom(open.at(-1) as Group, { pieces, isLoop: group.isLoop, isOptional: false });
    } else if (token === '|') {
      endAlternative(group);
    } else if (repeat !== null && group.atom !== null) {
      if (repeat.isEndless && group.atom.isLoop) {
        return 'has a pattern that repeats a repetition without end, like (a+)+';
      }
      group.atom = {
        pieces: group.atom.pieces * Math.max(1, repeat.times),
        isLoop: repeat.isEndless || group.atom.isLoop,
        isOptional: repeat.isOptional || group.atom.isOptional,
      };
    } else {
      addAtom(group, { pieces: 1, isLoop: false, isOptional: false });
    }
    if (open.some(({ pieces, atom }) => pieces + (atom?.pieces ?? 0) > MAX_PIECES)) {
      return `has a pattern that is longer than ${MAX_PIECES} pieces once its repetitions are written out`;
    }
  }
  return null;
}

/**
 * One token at a time: an escape, a class, a parenthesis with what it says about its group, a quantifier, a
 * character.
 */
function* tokensOf(pattern: string): Generator<string> {
  for (let at = 0; at < pattern.length; ) {
    const end = endOfToken(pattern, at);
    yield pattern.slice(at, end);
    at = end;
  }
}

/** What a parenthesis says about its group: no capture, a look ahead or behind, a name, flags. */
const OPENING = /^\(\?(?:[a-z-]{0,8}[:=!]|<[=!]|P?<[^<>]{1,64}>)/;

function endOfToken(pattern: string, start: number): number {
  const char = pattern[start];
  if (char === '\\') return start + 2;
  if (char === '[') {
    let at = start + 1;
    while (at < pattern.length && pattern[at] !== ']') at += pattern[at] === '\\' ? 2 : 1;
    return at + 1;
  }
  if (char === '(') return start + (OPENING.exec(pattern.slice(start, start + 80))?.[0].length ?? 1);
  if (char === '{') return start + (/^\{[\d,]+\}/.exec(pattern.slice(start))?.[0].length ?? 1);
  return start + 1;
}

function newGroup(): Group {
  return { pieces: 0, atom: null, loops: 0, firm: 0, isLoop: false };
}

function addAtom(group: Group, atom: Atom): void {
  settleAtom(group);
  group.atom = atom;
}

/** Counts the last atom, which no quantifier can follow any more. */
function settleAtom(group: Group): void {
  if (group.atom === null) return;
  group.pieces += group.atom.pieces;
  if (group.atom.isLoop) group.loops += 1;
  else if (!group.atom.isOptional) group.firm += 1;
  group.atom = null;
}

function endAlternative(group: Group): void {
  settleAtom(group);
  if (group.loops > 0 && group.firm === 0) group.isLoop = true;
  group.loops = 0;
  group.firm = 0;
}

interface Repetition {
  readonly times: number;
  readonly isEndless: boolean;
  readonly isOptional: boolean;
}

/** How often a quantifier repeats what is before it; null for any other token. */
function repetitionOf(token: string): Repetition | null {
  if (token === '*' || token === '+') return { times: 1, isEndless: true, isOptional: token === '*' };
  if (token === '?') return { times: 1, isEndless: false, isOptional: true };
  if (!/^\{[\d,]+\}$/.test(token)) return null;
  const [least = '', most = least] = token.slice(1, -1).split(',');
  const times = Number(most === '' ? least : most);
  return { times, isEndless: most === '', isOptional: Number(least) === 0 };
}
