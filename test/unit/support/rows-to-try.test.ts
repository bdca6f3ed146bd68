import { expect, test } from 'vitest';
import { refuserOf, rowsToTry } from '../../support/rows-to-try.js';
import { IS_FULL_LENGTH } from '../../support/test-length.js';

test('who refuses is the code of our refusal, or git', () => {
  expect(refuserOf([/\[unknown-task\]/, /home-pc/])).toBe('unknown-task');
  expect(refuserOf(/\[ref\]/)).toBe('ref');
  expect(refuserOf(/hidden ref/)).toBe('git');
  expect(refuserOf([/\[payload\].*did not come/])).toBe('payload');
});

test('of each kind the first row is tried, in the order of the table', () => {
  const rows = ['ref 1', 'ref 2', 'limit 1', 'git 1', 'limit 2', 'ref 3'];
  const kindOf = (row: string) => row.split(' ')[0] ?? '';
  const tried = rowsToTry(rows, kindOf);
  expect(tried).toEqual(IS_FULL_LENGTH ? rows : ['ref 1', 'limit 1', 'git 1']);
});
