import { expect, test } from 'vitest';
import { defaultAnswer } from '../../../../src/demo/stand-in/default-answer.js';
import type { StandInRequest } from '../../../../src/demo/stand-in/stand-in-request.js';

function ask(question: string, format?: unknown): string {
  const request: StandInRequest = {
    wire: 'ollama',
    model: 'm',
    question,
    conversation: question,
    stream: true,
    hasImages: false,
    includeUsage: true,
    format,
    numCtx: null,
    truncate: true,
    shift: true,
    path: '/api/chat',
    tools: [],
    choices: 1,
    logprobs: null,
  };
  return defaultAnswer(request);
}

test.each([
  ['2+2', '4'],
  ['1. 2+2', '4'],
  ['What is 2+2?', '4'],
  ['12 * 3', '36'],
  ['what is 7 - 10', '-3'],
  ['1 / 4', '0.25'],
  ['0.1 + 0.2', '0.3'],
])('%s is %s', (question, answer) => {
  expect(ask(question)).toBe(answer);
});

test('anything else is answered with the beginning of the question, the same every time', () => {
  expect(ask('Why is the\nsky blue?')).toBe('The stand-in read: Why is the sky blue?');
  expect(ask('Привет')).toBe('The stand-in read: Привет');
});

test.each([
  [
    {
      type: 'object',
      properties: { a: { type: 'number' }, b: { type: 'array', items: { type: 'string' } } },
    },
    { a: 4, b: ['4'] },
  ],
  [{ type: ['integer', 'null'], minimum: 5 }, 5],
  [{ enum: ['x', 'y'] }, 'x'],
  [{ const: false }, false],
  [{ type: 'array', minItems: 2, items: { type: 'boolean' } }, [true, true]],
  [{ properties: { a: { type: 'null' } } }, { a: null }],
  [{}, '4'],
])('the schema %j is answered with %j', (schema, value) => {
  expect(JSON.parse(ask('2+2', schema))).toEqual(value);
});
