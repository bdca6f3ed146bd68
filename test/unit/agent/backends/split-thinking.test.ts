import { expect, test } from 'vitest';
import { splitThinking } from '../../../../src/agent/backends/finish-generation.js';

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
])('%j is the answer %j and the thinking %j', (content, answer, thinking) => {
  expect(splitThinking(content)).toEqual({ answer, thinking });
});
