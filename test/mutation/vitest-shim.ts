import { isDeepStrictEqual } from 'node:util';

// Stands for vitest in the mutation run: the tests of the vectors, thousands of them, have to run in tens of
// milliseconds, because each mutant needs them all. It knows what those tests use, and nothing else.

/** The tests of the file that is loaded, in order. */
export const registered: (() => unknown)[] = [];

type Body = (...args: never[]) => unknown;

export function describe(_title: string, body: () => void): void {
  body();
}

export function test(_title: string, body: () => unknown): void {
  registered.push(body);
}

test.each =
  (cases: readonly unknown[]) =>
  (_title: string, body: Body): void => {
    for (const one of cases)
      registered.push(() => (body as (...args: unknown[]) => unknown)(...(Array.isArray(one) ? one : [one])));
  };

export function expect(actual: unknown) {
  const hold = (isRight: boolean): void => {
    if (!isRight) throw new Error('a vector is not met');
  };
  return {
    toBe: (expected: unknown) => hold(Object.is(actual, expected)),
    toEqual: (expected: unknown) => hold(isDeepStrictEqual(plain(actual), plain(expected))),
    toMatchObject: (expected: object) => hold(isPart(plain(expected), plain(actual))),
  };
}

/** Without fields that are undefined, as vitest compares. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]));
}

function isPart(expected: unknown, actual: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return Object.is(expected, actual);
  if (typeof actual !== 'object' || actual === null) return false;
  return Object.entries(expected).every(([key, value]) =>
    isPart(value, (actual as Record<string, unknown>)[key]),
  );
}
