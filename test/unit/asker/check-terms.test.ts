import { expect, test } from 'vitest';
import { checkTerms } from '../../../src/asker/check-terms.js';

const request = { id: '1', request: { path: '/v1/embeddings', body: { input: 'x' } } };
const ALL = { hasRequests: true, hasStandby: true };

test.each([
  ['a request', request, { hasRequests: false }, 'requests (API calls)'],
  [
    'what is local only',
    { prompt: '2+2', local_only: true },
    { hasStandby: false },
    'tasks that are local only',
  ],
])(
  '%s is not asked of a server that takes none, and what has to be updated is said',
  (_what, task, lacks, what) => {
    expect(() => checkTerms(task, { ...ALL, ...lacks })).toThrow(
      expect.objectContaining({
        code: 'older-bridge',
        message: `the bridge takes no ${what}: the llm-bridge on the server is older`,
        remedy: expect.stringContaining('"llm-bridge init" on the server'),
      }),
    );
  },
);

test('any other task is asked there, and these where they are taken', () => {
  expect(() => checkTerms({ prompt: '2+2' }, { hasRequests: false, hasStandby: false })).not.toThrow();
  expect(() => checkTerms({ ...request, local_only: true }, ALL)).not.toThrow();
});
