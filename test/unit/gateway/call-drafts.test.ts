import { expect, test } from 'vitest';
import { contentOf } from '../../../src/gateway/call-content.js';
import { draftCall } from '../../../src/gateway/call-drafts.js';
import { chat } from './calls-fixture.js';

const TERMS = {
  ...{ principal: null, taskTtlMs: 1_000, maxTaskBytes: 1_000, maxAnswerBytes: 1_000, claimLeaseMs: null },
  ...{
    hasStreams: true,
    hasSayAhead: true,
    hasFetchAhead: true,
    hasPushAhead: true,
    hasRequests: true,
    hasModels: true,
    isWritable: true,
    hasStandby: true,
    hasWindow: false,
    serverNow: () => Date.now(),
  },
};

test('a call that no third party may read says so in its task, and goes to no bridge that would not know', () => {
  const taskOf = (more: object) =>
    JSON.parse(
      Buffer.from(draftCall(chat('2+2', more), { terms: TERMS }, 'test').bytes).toString(),
    ) as object;
  expect(taskOf({ localOnly: true })).toHaveProperty('local_only', true);
  expect(taskOf({})).not.toHaveProperty('local_only');
  const older = { terms: { ...TERMS, hasStandby: false } };
  expect(() => draftCall(chat('2+2', { localOnly: true }), older, 'test')).toThrow(
    expect.objectContaining({ status: 502, code: 'older-bridge' }),
  );
  // Who forbids it joins nobody who does not.
  expect(contentOf(chat('2+2', { localOnly: true }))).not.toBe(contentOf(chat('2+2')));
});

test('a call to a bridge that takes none yet is no task, and the client is told what to update', () => {
  expect(draftCall(chat('2+2'), { terms: TERMS }, 'test').file).toBe('task.json');
  const draft = () => draftCall(chat('2+2'), { terms: { ...TERMS, hasRequests: false } }, 'test');
  expect(draft).toThrow(expect.objectContaining({ status: 502, code: 'older-bridge' }));
  expect(draft).toThrow(/the llm-bridge on the server is older/);
});
