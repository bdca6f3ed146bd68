import { createHash } from 'node:crypto';

/**
 * Text of so many characters that hardly shrinks: base64 of a chain of SHA-256, six bits to a character, the
 * same for the same seed. zlib makes three quarters of it, as of dense prose, and no two texts share
 * anything that a delta could use.
 */
export function taskText(seed: number, chars: number): string {
  let text = '';
  for (let block = 0; text.length < chars; block += 1) {
    text += createHash('sha256').update(`${seed} ${block}`).digest('base64').slice(0, 42);
  }
  return text.slice(0, chars);
}
