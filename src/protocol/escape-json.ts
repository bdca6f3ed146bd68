/**
 * `JSON.stringify`, and besides its own escapes those that keep a text one line for every reader and one direction on a
 * terminal: DEL and the C1 controls (U+0085 is a line break to some), U+2028 and U+2029, bidirectional marks, and U+FEFF.
 * `JSON.stringify` itself escapes C0 controls and lone surrogates. Other text (Cyrillic, say) stays readable.
 */
export function stringifyEscaped(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
