/** Every question of a soak begins with its token, which no other call that asks ever uses. */
export const TOKEN = /soak-token-[0-9]+/;

/** Questions that may be asked again begin with one of these; equal ones are answered from one another. */
export const REPEATED = /soak-repeat-[0-9]+/;

/** The token of a text. */
export function tokenOf(text: string): string | null {
  return TOKEN.exec(text)?.[0] ?? REPEATED.exec(text)?.[0] ?? null;
}
