/** Every character that moves a cursor, breaks a line or turns the direction of a text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what this finds
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Makes one line of harmless text: each run of white space (`text.ts`) and control characters becomes one
 * space. For subjects and log lines.
 */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, ' ').replace(/\s+/g, ' ').trim();
}

/** Joins the lines of a text: each line break, with the white space around it, becomes one space. */
export function joinLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');
}

/**
 * Text for a terminal: line breaks and tabs stay; all other control characters and bidi marks are removed.
 */
export function stripControls(text: string): string {
  return text.replace(UNPRINTABLE, (char) => (char === '\n' || char === '\t' ? char : ''));
}
