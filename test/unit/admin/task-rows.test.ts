import { expect, test } from 'vitest';
import { taskRows } from '../../../src/admin/task-rows.js';
import type { HistoryCommit } from '../../../src/protocol/history.js';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const TTL_MS = 60_000;

/** A commit that brought one file, as it is read from history. */
function commit(id: string, path: string, more: Partial<HistoryCommit> = {}): HistoryCommit {
  return {
    ...{ id, parents: ['parent'], committedAtMs: NOW_MS - 6_000, author: 'bot', subject: `ask: ${id}` },
    ...{ taskTrailer: '', taskHashTrailer: `hash-${id}`, statusTrailer: '' },
    changes: [{ path, oldMode: '100644', newMode: '100644', oldId: 'old', newId: `blob-${id}` }],
    ...more,
  };
}

const reply = (path: string, task: string, statusTrailer = '') =>
  commit(`of-${task}`, path, { taskTrailer: task, author: 'home-pc', statusTrailer });

/** What an agent says that it works on. */
const work = { agent: 'home-pc', model: 'llama3.2', sinceMs: NOW_MS - 5_000, phase: 'generating' };

const HISTORY = [
  commit('old', 'task.txt', { committedAtMs: NOW_MS - TTL_MS - 1 }),
  ...['waits', 'runs', 'done', 'failed', 'given-up', 'stopped'].map((id) => commit(id, 'task.txt')),
  reply('inbox.json', 'done', 'ok'),
  reply('inbox.json', 'failed', 'error timeout'),
  reply('inbox.json', 'stopped', 'error cancelled'),
  reply('cancel.json', 'given-up'),
];

const rows = taskRows(HISTORY, {
  ...{ nowMs: NOW_MS, ttlMs: TTL_MS },
  // A claim may be there a moment longer than its task waits.
  running: new Map(['runs', 'done', 'old'].map((task) => [task, work])),
});

test('a task that an agent works on is running and not pending, six seconds after it was asked', () => {
  expect(rows.map(({ task, state }) => [task, state])).toEqual([
    ['old', 'expired'],
    ['waits', 'pending'],
    ['runs', 'running'],
    ['done', 'done'],
    ['failed', 'error'],
    ['given-up', 'cancelled'],
    ['stopped', 'cancelled'],
  ]);
});

test('who works on it, and on what, is told of a running task alone', () => {
  const running = {
    agent: 'home-pc',
    work: { model: 'llama3.2', since: '2026-03-01T11:59:55.000Z', phase: 'generating' },
  };
  for (const row of rows) {
    if (row.task === 'runs') expect(row).toMatchObject(running);
    else expect(row.work).toBeNull();
  }
});

test('the id of a task is that of its commit, never its hash, because every command takes the id', () => {
  expect(rows.map(({ task }) => task)).toEqual(HISTORY.slice(0, rows.length).map(({ id }) => id));
});
