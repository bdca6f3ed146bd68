import { IS_FULL_LENGTH } from './test-length.js';

/**
 * The rows of a table of attacks, or of damages, that are tried: under `npm run test:slow` every one, else
 * the first of each kind. What one check refuses in twenty forms is tried in one then, because each is a
 * login, a push and its hooks, or a start of an agent; the rules themselves are judged form by form in unit
 * tests and in test/integration/server-hook.
 */
export function rowsToTry<Row>(
  rows: readonly Row[],
  kindOf: (row: Row, at: number) => string | number,
): readonly Row[] {
  if (IS_FULL_LENGTH) return rows;
  const kinds = rows.map(kindOf);
  return rows.filter((_row, at) => kinds.indexOf(kinds[at] ?? '') === at);
}

/** Who refuses, by the patterns that are told: the code of our refusal, or `git` where git itself does. */
export function refuserOf(told: RegExp | readonly RegExp[]): string {
  const { source } = [told].flat()[0] ?? /./;
  return /^\\\[([a-z-]+)\\\]/.exec(source)?.[1] ?? 'git';
}
