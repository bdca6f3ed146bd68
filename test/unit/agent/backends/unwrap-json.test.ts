import { expect, test } from 'vitest';
import { unwrapJson } from '../../../../src/agent/backends/finish-generation.js';

test.each([
  ['{"a":1}', '{"a":1}'],
  [' \n{"a":1}\n', '{"a":1}'],
  ['```json\n{"a":1}\n```', '{"a":1}'],
  ['```JSON\r\n{"a":1}\r\n```\n', '{"a":1}'],
  ['```\n[1]\n```', '[1]'],
  ['```json\n{"a":"```"}\n```', '{"a":"```"}'],
  ['```js\n1\n```', '```js\n1\n```'],
  ['```json\n{"a":1}', '```json\n{"a":1}'],
  ['```', '```'],
])('%j holds %j', (text, json) => {
  expect(unwrapJson(text)).toBe(json);
});
