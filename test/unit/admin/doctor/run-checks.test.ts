import { expect, test } from 'vitest';
import {
  broken,
  type Check,
  type Finding,
  ok,
  runChecks,
  skipped,
  warning,
} from '../../../../src/admin/doctor/finding.js';
import { BridgeError } from '../../../../src/protocol/bridge-error.js';

async function run(...checks: Check[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of runChecks(checks)) findings.push(finding);
  return findings;
}

test('what rests on something broken is skipped, and the first cause is named all the way down', async () => {
  let ran = 0;
  const count = async () => {
    ran += 1;
    return ok('fine');
  };
  const findings = await run(
    { name: 'a', run: async () => broken('gone', 'bring it back') },
    { name: 'b', needs: ['a'], run: count },
    { name: 'c', needs: ['b'], run: count },
    { name: 'd', needs: ['not-made'], run: count },
  );

  expect(findings).toEqual([
    { check: 'a', status: 'broken', text: 'gone', remedy: 'bring it back' },
    { check: 'b', status: 'skipped', text: 'skipped, because "a" is broken', remedy: null },
    { check: 'c', status: 'skipped', text: 'skipped, because "a" is broken', remedy: null },
    { check: 'd', status: 'ok', text: 'fine', remedy: null },
  ]);
  expect(ran).toBe(1);
});

test('a warning stops nothing; a failure of one check is its finding, and the others are made', async () => {
  const findings = await run(
    { name: 'a', run: async () => [warning('old', 'renew it'), ok('but there')] },
    {
      name: 'b',
      needs: ['a'],
      run: async () => {
        throw new BridgeError('no such thing', { code: 'no-main', remedy: 'make it' });
      },
    },
    {
      name: 'c',
      run: async () => {
        throw new TypeError('oops');
      },
    },
    { name: 'd', run: async () => skipped('not wanted') },
  );

  expect(findings.map(({ check, status }) => `${check} ${status}`)).toEqual([
    ...['a warning', 'a ok', 'b broken', 'c broken', 'd skipped'],
  ]);
  expect(findings[2]).toMatchObject({ text: 'no such thing', remedy: 'make it' });
  expect(findings[3]?.text).toBe('could not be looked at: oops');
});
