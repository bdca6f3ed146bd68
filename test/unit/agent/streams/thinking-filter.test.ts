import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitThinking, THINKING_TAGS } from '../../../../src/agent/backends/split-thinking.js';
import { ThinkingFilter } from '../../../../src/agent/streams/thinking-filter.js';

/** What comes out of the filter, for a text that comes in these pieces. */
function filtered(pieces: readonly string[]): { text: string; thinking: string } {
  const filter = new ThinkingFilter();
  const out = pieces.map((piece) => filter.push(piece));
  return {
    text: out.map(({ text }) => text).join('') + filter.rest(),
    thinking: out.map(({ thinking }) => thinking).join(''),
  };
}

function inPieces(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
    text.slice(at * size, (at + 1) * size),
  );
}

const HARMONY = '<|channel|>analysis<|message|>Well.<|end|><|start|>assistant<|channel|>final<|message|>four';
const TEXTS = [
  ...THINKING_TAGS.map(({ open, close }) => `${open}\nwell, 2 < 3\n${close}\n\nfour < five`),
  '  <think>a</think> <think>b</think>\n\nc',
  '<think>never closed',
  'four',
  ' <b>four</b>',
  '\n\n',
  'The tag <think> opens a thought, </think> closes it.',
  '<',
  '<thin',
  '[THINK',
];

test.each([1, 2, 3, 7, 1000])(
  'in pieces of %i characters, the text is the answer that the whole has',
  (size) => {
    for (const text of TEXTS) {
      const { answer, thinking } = splitThinking(text);
      const out = filtered(inPieces(text, size));
      expect(out.text).toBe(answer);
      expect(out.thinking.replaceAll(/\s/g, '')).toBe(thinking.replaceAll(/\s/g, ''));
    }
    expect(filtered(inPieces(HARMONY, size))).toMatchObject({ text: 'four' });
  },
);

test('of a text without tags nothing is kept back, and none of it is lost', () => {
  const filter = new ThinkingFilter();
  expect(filter.push('2 <')).toEqual({ text: '2 <', thinking: '' });
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (pieces) => {
      const text = pieces.join('');
      fc.pre(splitThinking(text).thinking === '' && !text.includes('<|'));
      expect(filtered(pieces).text).toBe(text);
    }),
  );
});
