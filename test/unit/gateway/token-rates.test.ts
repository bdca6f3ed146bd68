import { expect, test } from 'vitest';
import { HeardRates } from '../../../src/gateway/heard-rates.js';
import { TokenRates } from '../../../src/gateway/token-rates.js';

const EVENT = { event: 'data: {}\n\n' };

test('an event is a token, and the rate is that of the last ten seconds', () => {
  const rates = new TokenRates();
  for (let at = 0; at <= 5_000; at += 50) rates.take('t', EVENT, at);
  expect(rates.of('t', 5_000)).toBeCloseTo(20, 0);
  // Nothing came for twenty seconds.
  expect(rates.of('t', 25_000)).toBe(0);
  for (let at = 25_000; at <= 40_000; at += 500) rates.take('t', EVENT, at);
  expect(rates.of('t', 40_000)).toBeCloseTo(2, 0);
});

test('the tokens of plain text are estimated, those of thinking too', () => {
  const rates = new TokenRates();
  rates.take('t', { text: 'x'.repeat(40) }, 0);
  rates.take('t', { thinking: 'y'.repeat(40) }, 1_000);
  expect(rates.of('t', 2_000)).toBe(10);
});

test('nothing is said of a task that is not heard, has only begun, or is over; a second generation counts anew', () => {
  const rates = new TokenRates();
  expect(rates.of('t')).toBeNull();
  rates.take('t', EVENT, 0);
  expect(rates.of('t', 100)).toBeNull();
  for (let at = 0; at < 100; at += 1) rates.take('t', EVENT, 1_000);
  rates.take('t', { begin: { agent: 'pc', at: '2026-01-02T03:04:05.678Z' } }, 2_000);
  rates.take('t', EVENT, 2_000);
  expect(rates.of('t', 4_000)).toBe(0.5);
  rates.take('t', { end: true }, 5_000);
  expect(rates.of('t', 5_000)).toBeNull();
});

test('the streams of running tasks are followed once each, while they run and nobody else follows them', () => {
  const said: string[] = [];
  const streams = {
    follow: (task: string) => said.push(`+${task}`),
    leave: (task: string) => said.push(`-${task}`),
  };
  const rates = new HeardRates(streams);
  rates.of(['a', 'b', 'ours'], (task) => task === 'ours');
  rates.of(['a', 'b', 'ours'], (task) => task === 'ours');
  expect(said.splice(0)).toEqual(['+a', '+b']);
  rates.of(['b'], () => false);
  expect(said.splice(0)).toEqual(['-a']);
  // A client comes for it, and follows it from its beginning.
  rates.release('b');
  expect(said.splice(0)).toEqual(['-b']);
  rates.of(
    Array.from({ length: 100 }, (_, at) => `t${at}`),
    () => false,
  );
  expect(said.splice(0)).toHaveLength(32);
  rates.close();
  expect(said).toHaveLength(32);
});
