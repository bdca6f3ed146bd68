/**
 * The trailers of a commit message, as git reads them by its own defaults (`interpret-trailers`, trailer.c).
 * git itself would follow the settings `trailer.*` and `core.commentChar` of whoever runs it, and those of
 * the repository's config. Values by key in lower case; the values of a repeated key are joined by a comma.
 */
export function readTrailers(message: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of unfold(trailerLines(linesOf(message)))) {
    const at = separatorIn(line);
    if (at === null) continue;
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
  while (lines[0] !== undefined && isBlank(lines[0])) lines.shift();
  // A last line without a line break counts as a line, but not as git's mark.
  const whole = lines.length - 1;
  const end = lines.indexOf(SCISSORS);
  return end >= 0 ? withoutNotes(lines.slice(0, end), end) : withoutNotes(lines, whole);
}

/** Without the comments, empty lines, and the list of conflicts of an old git, at the end. */
function withoutNotes(lines: readonly string[], whole: number): string[] {
  let notesFrom: number | null = null;
  let isInConflicts = false;
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('#') || line === '') notesFrom ??= at;
    else if (line === 'Conflicts:' && at < whole) {
      isInConflicts = true;
      notesFrom ??= at;
    } else if (!(isInConflicts && line.startsWith('\t'))) {
      notesFrom = null;
      isInConflicts = false;
    }
  }
  return lines.slice(0, notesFrom ?? lines.length);
}

/** The last paragraph, where it is one of trailers and not the first: that is the title. */
function trailerLines(lines: readonly string[]): readonly string[] {
  const paragraph: string[] = [];
  let trailers = 0;
  let others = 0;
  let continuations = 0;
  let hasGenerated = false;
  let isEmpty = true;
  for (const line of [...lines].reverse()) {
    if (line.startsWith('#')) {
      others += continuations;
      continuations = 0;
    } else if (isBlank(line)) {
      if (isEmpty) continue;
      others += continuations;
      const isEnough = others === 0 || (hasGenerated && trailers * 3 >= others);
      return isEnough ? paragraph.reverse() : [];
    } else {
      isEmpty = false;
      if (GIT_GENERATED.some((prefix) => line.startsWith(prefix))) {
        trailers += 1;
        continuations = 0;
        hasGenerated = true;
      } else if (isSpace(line[0])) continuations += 1;
      else if (separatorIn(line) !== null) {
        trailers += 1;
        continuations = 0;
      } else {
        others += 1 + continuations;
        continuations = 0;
      }
    }
    paragraph.push(line);
  }
  return [];
}

/** A line that begins with a space goes on with the line before it. */
function unfold(lines: readonly string[]): string[] {
  const whole: string[] = [];
  for (const line of lines) {
    const last = whole.at(-1);
    if (last !== undefined && isSpace(line[0])) whole[whole.length - 1] = `${last}\n${line}`;
    else whole.push(line);
  }
  return whole;
}

/** Where the key of a line ends (letters, digits, dashes, then spaces); null where it has none. */
function separatorIn(line: string): number | null {
  const match = /^[A-Za-z0-9-]+[ \t]*:/.exec(line);
  return match === null ? null : match[0].length - 1;
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
  while (isSpace(text[start])) start += 1;
  while (isSpace(text[end - 1])) end -= 1;
  return text.slice(start, end);
}
