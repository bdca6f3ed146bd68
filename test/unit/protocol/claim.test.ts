import { describe, expect, test } from 'vitest';
import {
  type Claim,
  claimRef,
  isLeaseOver,
  readClaim,
  sameHolder,
  taskOfClaimRef,
  writeClaim,
} from '../../../src/protocol/claim.js';

const CLAIM: Claim = { agent: 'home-pc', session: '0123456789abcdef', until: '2026-11-22T17:02:27.123Z' };
const TASK = 'a'.repeat(40);

test('a claim has one form, and is read from it', () => {
  const bytes = writeClaim(CLAIM);
  expect(bytes.toString()).toBe(
    '{"agent":"home-pc","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z"}\n',
  );
  expect(readClaim(bytes)).toEqual({ ok: true, value: CLAIM });
  const { agent, session, until } = CLAIM;
  expect(writeClaim({ until, session, agent }).equals(bytes)).toBe(true);
});

test.each([
  ['another order', '{"session":"0123456789abcdef","agent":"home-pc","until":"2026-11-22T17:02:27.123Z"}\n'],
  ['spaces', '{"agent": "home-pc","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z"}\n'],
  ['no line break', '{"agent":"home-pc","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z"}'],
  [
    'an escape',
    '{"agent":"h\\u006fme-pc","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z"}\n',
  ],
  ['one more field', '{"agent":"a","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z","x":1}\n'],
  [
    'a key twice',
    '{"agent":"a","agent":"a","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z"}\n',
  ],
  ['no session', '{"agent":"a","until":"2026-11-22T17:02:27.123Z"}\n'],
  ['a session that is none', '{"agent":"a","session":"0123","until":"2026-11-22T17:02:27.123Z"}\n'],
  [
    'a name that is none',
    '{"agent":"a b","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123Z"}\n',
  ],
  ['whole seconds', '{"agent":"a","session":"0123456789abcdef","until":"2026-11-22T17:02:27Z"}\n'],
  ['another zone', '{"agent":"a","session":"0123456789abcdef","until":"2026-11-22T17:02:27.123+01:00"}\n'],
  ['no date', '{"agent":"a","session":"0123456789abcdef","until":"2026-02-31T17:02:27.123Z"}\n'],
  ['text', 'home-pc until tomorrow\n'],
  ['nothing', ''],
  ['too much', `{"agent":"a"${' '.repeat(600)}}\n`],
])('a claim with %s is none', (_what, text) => {
  expect(readClaim(Buffer.from(text))).toMatchObject({ ok: false });
});

describe('the ref of a claim', () => {
  test('is the one of its task', () => {
    expect(taskOfClaimRef(claimRef(TASK), 40)).toBe(TASK);
    expect(taskOfClaimRef(claimRef('b'.repeat(64)), 64)).toBe('b'.repeat(64));
  });

  test.each([
    ['of an id of another length', claimRef('b'.repeat(64))],
    ['of half an id', claimRef('a'.repeat(20))],
    ['of an id in capitals', claimRef('A'.repeat(40))],
    ['of the id of nothing', claimRef('0'.repeat(40))],
    ['with something below', `${claimRef(TASK)}/x`],
    ['with something behind', `${claimRef(TASK)}\n`],
    ['of no task', 'refs/bridge/claims/'],
    ['beside the claims', `refs/bridge/claimsx/${TASK}`],
    ['of a branch', `refs/heads/${TASK}`],
  ])('is none %s', (_what, ref) => {
    expect(taskOfClaimRef(ref, 40)).toBeNull();
  });
});

test('a lease is over at its time, and not before', () => {
  const at = Date.parse(CLAIM.until);
  expect(isLeaseOver(CLAIM, at - 1)).toBe(false);
  expect(isLeaseOver(CLAIM, at)).toBe(true);
});

test('a claim is held by one process: name and session', () => {
  expect(sameHolder(CLAIM, { ...CLAIM, until: '2027-01-01T00:00:00.000Z' } as Claim)).toBe(true);
  expect(sameHolder(CLAIM, { ...CLAIM, session: 'f'.repeat(16) })).toBe(false);
  expect(sameHolder(CLAIM, { ...CLAIM, agent: 'other-pc' })).toBe(false);
});
