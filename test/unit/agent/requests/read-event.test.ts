import { expect, test } from 'vitest';
import { readEvent } from '../../../../src/agent/requests/read-event.js';

const chat = (delta: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}`;

test.each([
  ['a chunk', '/v1/chat/completions', chat({ content: 'fo' }), 'fo', ''],
  ['a thought', '/v1/chat/completions', chat({ reasoning_content: 'hm' }), '', 'hm'],
  [
    'a named event',
    '/v1/messages',
    'event: content_block_delta\r\ndata: {"delta":{"type":"text_delta","text":"fo"}}',
    'fo',
    '',
  ],
  ['data of two lines', '/v1/completions', 'data: {"choices":\ndata: [{"text":"fo"}]}', 'fo', ''],
  ['a line of NDJSON', '/api/chat', '{"message":{"content":"fo","thinking":"hm"},"done":false}', 'fo', 'hm'],
  ['the end', '/v1/chat/completions', 'data: [DONE]', '', ''],
  ['a comment', '/v1/chat/completions', ': keep-alive', '', ''],
  ['half an event', '/v1/chat/completions', 'data: {"choices":[{"del', '', ''],
  ['null', '/v1/chat/completions', 'data: null', '', ''],
  ['a path that is not known', '/v9/chat', chat({ content: 'fo' }), '', ''],
])('%s says what it brings', (_name, path, event, content, thinking) => {
  expect(readEvent(path, event)).toEqual({ content, thinking });
});
