import { describe, expect, test } from 'vitest';
import { gatewayName, parseListenAddress } from '../../../src/gateway/listen-address.js';

describe('the name of a gateway', () => {
  const name = (host: string, port: number) => gatewayName({ host, port });

  test('is the same after a restart at the same address', () => {
    expect(name('127.0.0.1', 11435)).toBe(name('127.0.0.1', 11435));
  });

  test('is no other gateway’s of this machine', () => {
    const names = [
      name('127.0.0.1', 11435),
      name('127.0.0.1', 11436),
      name('::1', 11435),
      // Each has a port of its own, which it does not know yet.
      name('127.0.0.1', 0),
      name('127.0.0.1', 0),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  test('has no characters but plain ones', () => {
    expect(name('fe80::1', 1)).toMatch(/^[\w.-]{1,128}$/);
  });
});

test.each([
  ['127.0.0.1:11435', { host: '127.0.0.1', port: 11435 }],
  ['[::1]:11435', { host: '::1', port: 11435 }],
  ['LOCALHOST:1', { host: '127.0.0.1', port: 1 }],
  ['11435', { host: '127.0.0.1', port: 11435 }],
  ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
  ['gateway.lan:11435', null],
  ['::1:11435', null],
  ['127.0.0.1:65536', null],
  ['127.0.0.1', null],
  ['', null],
])('to listen at %s', (text, address) => {
  expect(parseListenAddress(text)).toEqual(address);
});
