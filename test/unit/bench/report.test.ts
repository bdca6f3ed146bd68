import { expect, test } from 'vitest';
import { asMarkdown, asText, type Report } from '../../bench/report.js';

const REPORT: Report = {
  machine: {
    date: '2026-11-22',
    cpu: '2 cores of a processor',
    memory: '4 GiB',
    system: 'Linux 6',
    node: '20.19.0',
    git: '2.39.5',
    ssh: 'OpenSSH 9.2p1',
  },
  figures: [
    {
      row: 'overhead',
      what: 'overhead',
      unit: 'ms',
      value: { count: 3, median: 123.4, p95: 150 },
      against: '100 ms',
      target: '≤ 160 ms',
      reached: true,
    },
    {
      row: 'idle',
      what: 'fetches',
      unit: 'fetches',
      value: { count: 1, median: 2, p95: 2 },
      target: 'none',
      reached: false,
    },
  ],
  failures: [{ row: 'disk', why: 'no room' }],
};

test('the table has a line for each figure and says what was missed', () => {
  const lines = asMarkdown(REPORT).split('\n');
  expect(lines[0]).toContain('2 cores of a processor');
  expect(lines.filter((line) => line.startsWith('|'))).toHaveLength(5);
  expect(lines[4]).toMatch(/^\| overhead +\| 123 ms +\| 150 ms +\| 100 ms +\| ≤ 160 ms \| reached \|$/);
  expect(lines[5]).toMatch(/^\| fetches +\| 2 +\| +\| +\| none +\| missed +\|$/);
  expect(lines[6]).toContain('disk: no room');
});

test('a terminal gets the same figures', () => {
  expect(asText(REPORT)).toMatch(/overhead +123 ms +150 ms +100 ms +≤ 160 ms +reached/);
});
