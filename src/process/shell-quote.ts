/** A word as every POSIX shell reads it back: bare where that is safe, else in single quotes. */
export function shellQuote(word: string): string {
  // A shell takes `~` for a home only where a word begins with it.
  return /^[A-Za-z0-9_./@%+=:,-][A-Za-z0-9_./@%+=:,~-]*$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}
