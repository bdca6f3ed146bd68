import { expect, test } from 'vitest';
import type { BridgeStatus } from '../../../src/admin/bridge-status.js';
import { formatStatus } from '../../../src/cli/format-status.js';

const STATUS: BridgeStatus = {
  repo: '/srv/llm-bridge/bridge.git',
  now: '2026-11-27T10:00:00.000Z',
  pending: [],
  running: [],
  attendance: { state: 'unknown', since: null, problem: null, remedy: null },
  expired: 0,
  answered: 12,
  last_answer: null,
  log_records: null,
  stale_locks: null,
  repairs: null,
  on_answer: null,
  gateways: [],
  recent: {
    hours: 24,
    answered: 12,
    errors: 0,
    error_rate: 0,
    wait_ms: null,
    generate_ms: null,
    tokens_per_s: null,
  },
  agents: [],
  waking: [],
  task_ttl_ms: 604_800_000,
  more_pending: 0,
};

test.each([
  [0, '  last 24 h: 12 answered, no errors\n'],
  [1, '  last 24 h: 12 answered, 1 error (8 %)\n'],
  [3, '  last 24 h: 12 answered, 3 errors (25 %)\n'],
])('of %i errors in a day, status tells the number and the share', (errors, line) => {
  const recent = { ...STATUS.recent, errors, error_rate: errors / 12 };
  expect(formatStatus({ ...STATUS, recent })).toContain(line);
});
