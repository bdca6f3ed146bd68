/**
 * The most characters that name and password have together in an address. A bound, because the text comes
 * from outside.
 */
const MAX_CHARS = 800;

/**
 * Removes name and password from each address with a password in a text. For whatever is shown or logged,
 * and may repeat what a person gave or what another program said.
 */
export function hidePasswords(text: string): string {
  let shown = '';
  let from = 0;
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', Math.max(at + 3, from))) {
    const start = at + 3;
    const [word = ''] = text.slice(start, start + MAX_CHARS).split(/[\s'"]/, 1);
    // A password may have an `@` or a slash in it where a person did not encode it.
    const end = word.lastIndexOf('@');
    const name = word.search(/[:/@]/);
    if (end < 0 || word[name] !== ':' || end < name) continue;
    shown += `${text.slice(from, start)}…@`;
    from = start + end + 1;
  }
  return shown + text.slice(from);
}

/** Whether a text has an address with a password in it. */
export function hasPassword(text: string): boolean {
  return hidePasswords(text) !== text;
}
