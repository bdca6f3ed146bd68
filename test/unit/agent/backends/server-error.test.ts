import { expect, test } from 'vitest';
import { readServerError } from '../../../../src/agent/backends/server-error.js';

test.each([
  'the input length exceeds the context length',
  'input length exceeds maximum context length',
  'prompt too long; exceeded max context length by 812 tokens',
  'the request exceeds the available context size. try increasing the context size or enable context shift',
  'Context size has been exceeded.',
  'Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.',
  'Trying to keep the first 6547 tokens when context overflows.',
  'Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)',
  'The number of tokens to keep from the initial prompt is greater than the context length.',
  'Reached context length of 4096 tokens, but this model does not support mid-generation context overflow.',
  "This model's maximum context length is 4096 tokens.",
  'context length exceeded',
])('"%s" is an overflow of the context', (text) => {
  expect(readServerError(JSON.stringify({ error: text }))).toEqual({ code: 'context_overflow', text });
});

test.each([
  ['{"error":"model \'x\' not found"}', 'model_not_found'],
  ['{"error":"model \\"x\\" not found, try pulling it first"}', 'model_not_found'],
  ['{"error":{"message":"Please give another","code":"model_not_found"}}', 'model_not_found'],
  ['{"error":{"message":"Model does not exist."}}', 'model_not_found'],
  [
    '{"error":{"message":"No models loaded. Please load a model in the developer page.","code":"model_not_found"}}',
    'no_model',
  ],
  [
    '{"error":{"message":"Failed to load model \\"x\\". Error: file not found","code":"model_not_found"}}',
    'backend_error',
  ],
  ['{"error":"\\"all-minilm\\" does not support chat"}', 'model_cannot_chat'],
  ['{"error":"\\"all-minilm\\" does not support generate"}', 'model_cannot_chat'],
  ['{"error":"registry.ollama.ai/library/gemma3:270m does not support tools"}', 'backend_error'],
  [
    '{"error":{"code":500,"message":"the current context does not support logits computation. skipping"}}',
    'model_cannot_chat',
  ],
  ['{"error":{"message":"the context of war exceeded my expectations"}}', 'backend_error'],
  ['404 page not found', 'backend_error'],
])('%s is %s', (body, code) => {
  expect(readServerError(body).code).toBe(code);
});

test.each(['{"error":{"code":3}}', '{"weather":"fine"}', '[1]', '{"error":', ''])(
  'a body like %s is told as it is',
  (body) => {
    expect(readServerError(body)).toEqual({ code: 'backend_error', text: body });
  },
);

test.each(['exceed', 'context length ', 'n_keep', 'failfail', 'model model ', ' '])(
  'a text that says "%s" again and again is told whole, and searched at its beginning only',
  (word) => {
    const text = word.repeat(200_000);
    expect(readServerError(JSON.stringify({ error: text }))).toEqual({ code: 'backend_error', text });
    const late = `${'.'.repeat(10_000)} context length exceeded`;
    expect(readServerError(late).code).toBe('backend_error');
  },
);
