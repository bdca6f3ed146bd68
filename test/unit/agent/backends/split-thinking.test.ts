import { expect, test } from 'vitest';
import { splitThinking, THINKING_TAGS } from '../../../../src/agent/backends/split-thinking.js';
import { answerTo, BACKENDS, settingsFor, standInFor } from '../generate-fixture.js';

test.each([
  ['plain', 'plain', ''],
  ['<think>\nhm\n</think>\n\n4', '4', 'hm'],
  ['\n <think>hm</think>4', '4', 'hm'],
  ['<think></think>4', '4', ''],
  ['<think>cut off in the mid', '', 'cut off in the mid'],
  ['the template opened it\n</think>\n\n4', '4', 'the template opened it'],
  ['a tag like </think> in a sentence', 'a tag like </think> in a sentence', ''],
  ['Write <think> and then\n</think>\n', 'Write <think> and then\n</think>\n', ''],
  ['<think>one</think>4 <think>two</think>', '4 <think>two</think>', 'one'],
  // Spelt out: what is missing in the table of tags itself, no test that goes through the table can see.
  ['<thinking>hm</thinking>4', '4', 'hm'],
  ['<seed:think>hm</seed:think>4', '4', 'hm'],
  ['[THINK]hm[/THINK]4', '4', 'hm'],
  ['<|channel>thought\nhm<channel|>4', '4', 'hm'],
])('%j is the answer %j and the thinking %j', (content, answer, thinking) => {
  expect(splitThinking(content)).toEqual({ answer, thinking });
});

test.each(THINKING_TAGS)('thinking in $open is told apart, as in the first', ({ open, close }) => {
  const cases = [
    [`${open}\nhm\n${close}\n\n4`, '4', 'hm'],
    [`${open}cut off in the mid`, '', 'cut off in the mid'],
    [`${open}one${close}\n${open}two${close}4`, '4', 'one\n\ntwo'],
    [`the template opened it\n${close}\n\n4`, '4', 'the template opened it'],
    [`Models mark it with ${open} and ${close}.`, `Models mark it with ${open} and ${close}.`, ''],
    [`The end is ${close}\nand so on`, `The end is ${close}\nand so on`, ''],
    [
      `Write:\n\n${open}\nhm\n${close}\n\nThat is all.`,
      `Write:\n\n${open}\nhm\n${close}\n\nThat is all.`,
      '',
    ],
  ];
  for (const [content = '', answer, thinking] of cases)
    expect(splitThinking(content)).toEqual({ answer, thinking });
});

const ANALYSIS = '<|channel|>analysis<|message|>';
const FINAL = '<|start|>assistant<|channel|>final<|message|>';

test.each([
  [`${ANALYSIS}hm<|end|>${FINAL}4`, '4', 'hm'],
  [`<|start|>assistant${ANALYSIS}hm<|end|>\n${FINAL}4<|return|>`, '4', 'hm'],
  [`${ANALYSIS}hm<|channel|>final<|message|>4<|end|>\n`, '4', 'hm'],
  [`${ANALYSIS}hm${FINAL}4`, '4', 'hm'],
  ['<|channel|>final<|message|>4', '4', ''],
  [
    `${ANALYSIS}one<|end|><|start|>assistant<|channel|>commentary<|message|>two<|end|>${FINAL}4`,
    '4',
    'one\n\ntwo',
  ],
  [`${ANALYSIS}hm<|end|>4`, '4', 'hm'],
  [`${ANALYSIS}cut off in the mid`, '', 'cut off in the mid'],
  [
    `${ANALYSIS}hm<|end|><|start|>assistant<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}<|call|>${FINAL}4`,
    '4',
    'hm\n\n{}',
  ],
  [
    `${ANALYSIS}hm<|end|>${FINAL}The end is <|end|>, the head ${ANALYSIS}.`,
    `The end is <|end|>, the head ${ANALYSIS}.`,
    'hm',
  ],
  [`In harmony, ${ANALYSIS} begins it.`, `In harmony, ${ANALYSIS} begins it.`, ''],
  ['analysisWe need one word.assistantfinalfour', 'four', 'We need one word.'],
  ['analysis of the word assistantfinal', 'analysis of the word assistantfinal', ''],
  ['analysisWe need no end', 'analysisWe need no end', ''],
  ['<|channel|> is a token', '<|channel|> is a token', ''],
])('of harmony, %j is the answer %j and the thinking %j', (content, answer, thinking) => {
  expect(splitThinking(content)).toEqual({ answer, thinking });
});

test.each(BACKENDS)(
  'thinking in the text of %s is told apart, wherever the pieces cut it',
  async (backend) => {
    const standIn = await standInFor();
    const texts = [
      ...THINKING_TAGS.map(({ open, close }) => `${open}two and two${close}\n4`),
      `${ANALYSIS}two and two<|end|>${FINAL}4`,
      ...THINKING_TAGS.map(({ close }) => `two and two\n${close}\n4`),
    ];
    for (const answer of texts) {
      for (const pieceChars of [1, 1000]) {
        standIn.behave = () => ({ answer, pieceChars });
        const outcome = await answerTo({ prompt: '2+2', backend }, settingsFor(standIn));
        expect(outcome).toMatchObject({ answer: '4', thinking: 'two and two' });
      }
    }
  },
);

test('thinking takes time in proportion to its length, however it is made', () => {
  const texts = [
    '<think></think>',
    `${ANALYSIS}<|end|>`,
    ANALYSIS,
    '</think>\n',
    '\n</think> ',
    '<|start|>assistant',
    '\n \n',
  ];
  for (const text of texts) {
    const before = process.cpuUsage();
    splitThinking(text.repeat(1_000_000 / text.length));
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(5);
  }
});
