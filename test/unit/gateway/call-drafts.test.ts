import { expect, test } from 'vitest';
import { draftCall } from '../../../src/gateway/call-drafts.js';
import { chat } from './calls-fixture.js';

const TERMS = {
  ...{ principal: null, taskTtlMs: 1_000, maxTaskBytes: 1_000, maxAnswerBytes: 1_000, claimLeaseMs: null },
  ...{
    hasStreams: true,
    hasSayAhead: true,
    hasRequests: true,
    hasModels: true,
    hasStandby: true,
    serverNow: () => Date.now(),
  },
};

test('a call to a bridge that takes none yet is no task, and the client is told what to update', () => {
  expect(draftCall(chat('2+2'), { terms: TERMS }, 'test').file).toBe('task.json');
  const draft = () => draftCall(chat('2+2'), { terms: { ...TERMS, hasRequests: false } }, 'test');
  expect(draft).toThrow(expect.objectContaining({ status: 502, code: 'older-bridge' }));
  expect(draft).toThrow(/the llm-bridge on the server is older/);
});
