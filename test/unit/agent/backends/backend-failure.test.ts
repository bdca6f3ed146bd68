import { expect, test } from 'vitest';
import { connectionFailureCode } from '../../../../src/agent/backends/backend-failure.js';

function failed(code: string, syscall?: string): Error {
  const cause = Object.assign(new Error(code), syscall === undefined ? { code } : { code, syscall });
  return new TypeError('fetch failed', { cause });
}

test.each([
  ['ECONNREFUSED', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['ENETUNREACH', 'connect'],
  ['ETIMEDOUT', 'connect'],
  ['ENOTFOUND', 'getaddrinfo'],
  ['EAI_AGAIN', 'getaddrinfo'],
])('%s is a connection that never was', (code, syscall) => {
  expect(connectionFailureCode(failed(code, syscall))).toBe(code);
});

test('several addresses that all refused are a connection that never was', () => {
  const refused = ['::1', '127.0.0.1'].map(() =>
    Object.assign(new Error(), { code: 'ECONNREFUSED', syscall: 'connect' }),
  );
  const error = new TypeError('fetch failed', { cause: new AggregateError(refused) });
  expect(connectionFailureCode(error)).toBe('ECONNREFUSED');
});

test.each([
  ['ECONNRESET', 'read'],
  ['ETIMEDOUT', 'read'],
  ['EPIPE', 'write'],
  ['HPE_INVALID_CONSTANT', undefined],
  ['CERT_HAS_EXPIRED', undefined],
])('%s in %s is a connection that was there', (code, syscall) => {
  expect(connectionFailureCode(failed(code, syscall))).toBeNull();
});

test.each([undefined, null, 'ECONNREFUSED', new Error('ECONNREFUSED')])(
  '%s is no connection failure',
  (error) => {
    expect(connectionFailureCode(error)).toBeNull();
  },
);
