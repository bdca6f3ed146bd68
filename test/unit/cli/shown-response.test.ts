import { expect, test } from 'vitest';
import { shownResponse } from '../../../src/cli/shown-response.js';

const call = { id: '1', type: 'function', function: { name: 'weather', arguments: '{}' } };
const use = { type: 'tool_use', id: '1', name: 'weather', input: {} };
const item = { type: 'function_call', call_id: '1', name: 'weather', arguments: '{}' };

test.each([
  ['chat completions', { choices: [{ message: { content: 'I look', tool_calls: [call] } }] }, [call]],
  [
    'chat completions of several choices',
    { choices: [{ message: { tool_calls: [call] } }, { message: { tool_calls: [call] } }] },
    [call, call],
  ],
  ['Ollama', { message: { content: '', tool_calls: [call] } }, [call]],
  ['messages', { content: [{ type: 'text', text: 'I look' }, use] }, [use]],
  ['responses', { output: [{ type: 'message', content: [] }, item] }, [item]],
])('of %s the calls of tools are shown', (_name, body, shown) => {
  expect(shownResponse({ body })).toEqual(shown);
});

test.each([
  ['one embedding', { data: [{ embedding: [0.5, 1] }] }, [0.5, 1]],
  ['two', { data: [{ embedding: [0.5] }, { embedding: [1] }] }, [[0.5], [1]]],
  ['one in base64', { data: [{ embedding: 'AAAAPw==' }] }, 'AAAAPw=='],
  ["one of Ollama's", { embeddings: [[0.5, 1]] }, [0.5, 1]],
  ["one of Ollama's older path", { embedding: [0.5] }, [0.5]],
])('of an answer with %s the vectors are shown', (_name, body, shown) => {
  expect(shownResponse({ body })).toEqual(shown);
});

test.each([
  { choices: [{ message: { content: '4' } }] },
  { choices: [{ message: { content: '4', tool_calls: null } }] },
  { content: [{ type: 'text', text: '4' }] },
  { data: [{ id: 'm' }] },
  { choices: 'x', message: [], content: 'y', output: 7, data: {} },
  null,
  'text',
  [],
])('of %j there is nothing to show in place of its text', (body) => {
  expect(shownResponse({ body })).toBeUndefined();
});
