/**
 * The trailers of a commit message, as git reads them by its own defaults (`interpret-trailers`, trailer.c).
 * git itself would follow the settings `trailer.*` and `core.commentChar` of whoever runs it, and those of
 * the repository's config. Values by key in lower case; the values of a repeated key are joined by a comma.
 */
export function readTrailers(message: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of unfold(trailerLines(linesOf(message)))) {
    const at = separatorIn(line);
    if (at < 1) continue;
    const key = trim(line.slice(0, at)).toLowerCase();
    const value = trim(line.slice(at + 1));
    const before = found.get(key);
    // git puts the comma in only behind something.
    found.set(key, before === undefined || before === '' ? value : `${before},${value}`);
  }
  return found;
}

/** For git the message ends in front of this line. */
const SCISSORS = '# ------------------------ >8 ------------------------';

/** A paragraph with one of these may also have other lines, as long as a quarter of it is trailers. */
const GIT_GENERATED = ['Signed-off-by: ', '(cherry picked from commit '];

/** The lines in which trailers are looked for. */
function linesOf(message: string): string[] {
  const lines = message.split('\n');
  // A last line without a line break counts as a line, but not as git's mark.
  const last = lines.pop() ?? '';
  while (lines[0] !== undefined && isBlank(lines[0])) lines.shift();
  const end = lines.indexOf(SCISSORS);
  if (end >= 0) return withoutNotes(lines.slice(0, end), null);
  return withoutNotes(lines, last === '' ? null : last);
}

/** Without the comments, empty lines, and the list of conflicts of an old git, at the end. */
function withoutNotes(lines: readonly string[], last: string | null): string[] {
  let notesFrom: number | null = null;
  let isInConflicts = false;
  const all = last === null ? lines : [...lines, last];
  for (const [at, line] of all.entries()) {
    if (line.startsWith('#') || line === '') notesFrom ??= at;
    else if (line === 'Conflicts:' && at < lines.length) {
      isInConflicts = true;
      notesFrom ??= at;
    } else if (!(isInConflicts && line.startsWith('\t')) && notesFrom !== null) {
      notesFrom = null;
      isInConflicts = false;
    }
  }
  return all.slice(0, notesFrom ?? all.length);
}

/** The last paragraph, where it is one of trailers. The first paragraph is the title. */
function trailerLines(lines: readonly string[]): readonly string[] {
  const titleEnd = lines.findIndex((line) => !line.startsWith('#') && isBlank(line));
  if (titleEnd < 0) return [];
  let trailers = 0;
  let others = 0;
  let continuations = 0;
  let hasGenerated = false;
  let isEmpty = true;
  for (let at = lines.length - 1; at >= titleEnd; at -= 1) {
    const line = lines[at] ?? '';
    if (line.startsWith('#')) {
      others += continuations;
      continuations = 0;
    } else if (isBlank(line)) {
      if (isEmpty) continue;
      others += continuations;
      const isEnough = others === 0 || (hasGenerated && trailers * 3 >= others);
      return trailers > 0 && isEnough ? lines.slice(at + 1) : [];
    } else {
      isEmpty = false;
      if (GIT_GENERATED.some((prefix) => line.startsWith(prefix))) {
        trailers += 1;
        continuations = 0;
        hasGenerated = true;
      } else if (isSpace(line[0])) continuations += 1;
      else if (separatorIn(line) >= 1) {
        trailers += 1;
        continuations = 0;
      } else {
        others += 1 + continuations;
        continuations = 0;
      }
    }
  }
  return [];
}

/** A line that begins with a space goes on with the trailer before it. */
function unfold(lines: readonly string[]): string[] {
  const whole: string[] = [];
  for (const line of lines) {
    const last = whole.at(-1);
    if (last !== undefined && isSpace(line[0]) && separatorIn(last) >= 1)
      whole[whole.length - 1] = `${last}\n${line}`;
    else whole.push(line);
  }
  return whole;
}

/** Where the key of a line ends (letters, digits, dashes, then spaces); -1 where it has none. */
function separatorIn(line: string): number {
  const match = /^(?:[A-Za-z0-9-]+[ \t]*)?:/.exec(line);
  return match === null ? -1 : match[0].length - 1;
}

/** What git takes for white space. */
function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r';
}

function isBlank(line: string): boolean {
  return [...line].every(isSpace);
}

function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start += 1;
  while (start < end && isSpace(text[end - 1])) end -= 1;
  return text.slice(start, end);
}
