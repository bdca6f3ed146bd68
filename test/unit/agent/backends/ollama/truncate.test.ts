import { expect, test } from 'vitest';
import { refusesOverflow } from '../../../../../src/agent/backends/ollama/ollama-backend.js';

test.each([
  [[0, 9, 0], false],
  [[0, 12, 3], false],
  // Its candidates had it, it has not.
  [[0, 12, 4], false],
  [[0, 12, 5], false],
  [[0, 12, 6], true],
  [[0, 12, 7], true],
  [[0, 13, 0], true],
  [[1, 0, 0], true],
  [null, true],
])('Ollama %j knows `truncate`: %s', (version, does) => {
  expect(refusesOverflow(version)).toBe(does);
});
