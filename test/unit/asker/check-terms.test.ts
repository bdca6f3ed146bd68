import { expect, test } from 'vitest';
import { checkTerms } from '../../../src/asker/check-terms.js';

const request = { id: '1', request: { path: '/v1/embeddings', body: { input: 'x' } } };

test('a request is not asked of a server that takes none, and what has to be updated is said', () => {
  expect(() => checkTerms(request, { hasRequests: false })).toThrow(
    expect.objectContaining({
      code: 'older-bridge',
      message: 'the bridge takes no requests (API calls): the llm-bridge on the server is older',
      remedy: expect.stringContaining('"llm-bridge init" on the server'),
    }),
  );
});

test('any other task is asked there, and a request where they are taken', () => {
  expect(() => checkTerms({ prompt: '2+2' }, { hasRequests: false })).not.toThrow();
  expect(() => checkTerms(request, { hasRequests: true })).not.toThrow();
});
