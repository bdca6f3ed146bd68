import { expect, test } from 'vitest';
import { type HistoryCommit, messageOf } from '../../../src/protocol/history.js';
import { createQueueReader, equalTaskKey, isExpired, readQueue } from '../../../src/protocol/queue.js';

const NOW = 1_000_000;
const CLOCK = { nowMs: NOW, ttlMs: 1000 };

function commit(
  id: string,
  path: string,
  more: Partial<HistoryCommit> & { newMode?: string } = {},
): HistoryCommit {
  const { newMode = '100644', ...fields } = more;
  const change = { path, oldMode: '100644', newMode, oldId: 'o', newId: `blob-${id}` };
  return {
    id,
    parents: ['p'],
    committedAtMs: NOW,
    author: 'bot',
    subject: `ask ${id}`,
    taskTrailer: '',
    taskHashTrailer: '',
    statusTrailer: '',
    changes: [change],
    ...fields,
  };
}

const answer = (id: string, task: string, hash: string, status = 'ok') =>
  commit(id, 'inbox.json', { taskTrailer: task, taskHashTrailer: hash, statusTrailer: status });

const idsOf = (tasks: readonly { readonly id: string }[]) => tasks.map((task) => task.id);

test('a task overwritten by the next ones is not lost: all are pending, in the order of asking', () => {
  const queue = readQueue(
    [commit('c', 'task.txt'), commit('a', 'task.txt'), commit('b', 'task.json')],
    CLOCK,
  );
  expect(idsOf(queue.pending)).toEqual(['c', 'a', 'b']);
  expect(queue.pending[2]).toMatchObject({
    file: 'task.json',
    asker: 'bot',
    subject: 'ask b',
    askedAtMs: NOW,
  });
});

test('an answer closes its task and no other, wherever it stands', () => {
  const queue = readQueue(
    [commit('a', 'task.txt'), commit('b', 'task.txt'), answer('x', 'b', 'hb'), commit('c', 'task.txt')],
    CLOCK,
  );
  expect(idsOf(queue.pending)).toEqual(['a', 'c']);
  expect(queue.answeredCount).toBe(1);
});

test('an answer with an error closes its task too', () => {
  const queue = readQueue([commit('a', 'task.txt'), answer('x', 'a', 'h', 'error timeout')], CLOCK);
  expect(queue.pending).toEqual([]);
  expect(queue.goodAnswers.size).toBe(0);
});

test('an answer to a task from before what is known counts, and closes nothing', () => {
  const queue = readQueue([answer('x', 'unknown', 'h'), commit('a', 'task.txt')], CLOCK);
  expect(idsOf(queue.pending)).toEqual(['a']);
  // Of which file it was is not known either.
  expect(queue.goodAnswers.size).toBe(0);
});

test('equal tasks are answered from the newest good answer; an error is none', () => {
  const queue = readQueue(
    [
      ...['a', 'b', 'c', 'd'].map((id) => commit(id, 'task.txt')),
      answer('1', 'a', 'h'),
      answer('2', 'b', 'h', 'cached'),
      answer('3', 'c', 'h', 'error timeout'),
      answer('4', 'd', 'g', 'ok,ok'),
    ],
    CLOCK,
  );
  expect([...queue.goodAnswers]).toEqual([[equalTaskKey('task.txt', 'h'), 'blob-2']]);
});

test('the same bytes in the other file are another task', () => {
  const queue = readQueue(
    [commit('a', 'task.json'), answer('1', 'a', 'h'), commit('b', 'task.txt'), answer('2', 'b', 'h')],
    CLOCK,
  );
  expect(queue.goodAnswers.get(equalTaskKey('task.json', 'h'))).toBe('blob-1');
  expect(queue.goodAnswers.get(equalTaskKey('task.txt', 'h'))).toBe('blob-2');
});

test('a task expires when it is older than the time-to-live, and not a millisecond before', () => {
  const old = commit('old', 'task.txt', { committedAtMs: NOW - 1001 });
  const edge = commit('edge', 'task.txt', { committedAtMs: NOW - 1000 });
  const ahead = commit('ahead', 'task.txt', { committedAtMs: NOW + 5000 });
  const queue = readQueue([old, edge, ahead], CLOCK);
  expect(idsOf(queue.pending)).toEqual(['edge', 'ahead']);
  expect(idsOf(queue.expired)).toEqual(['old']);
  expect(isExpired(NOW - 1001, CLOCK)).toBe(true);
});

test.each([
  ['a root, or the edge of a shallow clone', commit('a', 'task.txt', { parents: [] })],
  ['a merge', commit('a', 'task.txt', { parents: ['p', 'q'] })],
  ['an empty commit', commit('a', 'task.txt', { changes: [] })],
  [
    'a commit of two files',
    commit('a', 'task.txt', {
      changes: [...commit('x', 'task.txt').changes, ...commit('y', 'task.json').changes],
    }),
  ],
  ['a file removed', commit('a', 'task.txt', { newMode: '000000' })],
  ['another file', commit('a', 'README.md')],
  ['a file of the name in a folder', commit('a', 'sub/task.txt')],
  ['a file whose name differs in case', commit('a', 'Task.txt')],
])('%s is no message', (_name, one) => {
  expect(messageOf(one).kind).toBe('other');
  expect(readQueue([one], CLOCK).pending).toEqual([]);
});

test('a symlink under the name still asks, so that it is answered with an error', () => {
  expect(messageOf(commit('a', 'task.txt', { newMode: '120000' })).kind).toBe('task');
});

test('a cancel marks its task while that is pending; the first one stays, and what is forgotten is forgotten with it', () => {
  const cancel = (id: string, task: string, author = 'bot') =>
    commit(id, 'cancel.json', { taskTrailer: task, author });
  const reader = createQueueReader();
  const old = { ...commit('old', 'task.txt'), committedAtMs: CLOCK.nowMs - 3 * CLOCK.ttlMs };
  reader.push([old, cancel('c0', 'old'), commit('a', 'task.txt'), commit('b', 'task.txt')]);
  reader.push([cancel('c1', 'a'), cancel('c2', 'a', 'owner'), cancel('c3', 'nobody')]);

  expect([...reader.queue(CLOCK).cancelled]).toEqual([['a', { by: 'bot', blob: 'blob-c1' }]]);
  expect(idsOf(reader.queue(CLOCK).pending)).toEqual(['a', 'b']);
  reader.forget(CLOCK.nowMs - 2 * CLOCK.ttlMs);
  expect([...reader.queue({ ...CLOCK, ttlMs: 10 * CLOCK.ttlMs }).cancelled.keys()]).toEqual(['a']);
  reader.push([answer('x', 'a', 'h', 'error cancelled')]);
  expect([...reader.queue(CLOCK).cancelled]).toEqual([]);
  expect([...reader.queue(CLOCK).goodAnswers]).toEqual([]);
});

test('a reader that is given history in pieces and forgets what is old knows the same of what is young', () => {
  const reader = createQueueReader();
  const old = { ...commit('old', 'task.txt'), committedAtMs: CLOCK.nowMs - 3 * CLOCK.ttlMs };
  const ago = CLOCK.nowMs - 3 * CLOCK.ttlMs;
  const long = (one: HistoryCommit) => ({ ...one, committedAtMs: ago });
  const young = { ...commit('young', 'task.txt'), committedAtMs: CLOCK.nowMs };
  const again = { ...answer('z', 'w', 'h-again'), committedAtMs: CLOCK.nowMs };
  const others = ['x', 'v', 'w'].map((id) => long(commit(id, 'task.txt')));
  reader.push([old, ...others, long(answer('y', 'x', 'h-old')), long(answer('u', 'v', 'h-again'))]);
  reader.push([young, again]);
  reader.forget(CLOCK.nowMs - 2 * CLOCK.ttlMs);

  const queue = reader.queue(CLOCK);
  expect(queue.pending.map((task) => task.id)).toEqual(['young']);
  expect(queue.expired).toEqual([]);
  expect([...queue.goodAnswers.keys()]).toEqual([equalTaskKey('task.txt', 'h-again')]);
  // An answer that comes after its task was forgotten is no task of its own.
  reader.push([answer('late', 'old', 'h')]);
  expect(reader.queue(CLOCK).pending.map((task) => task.id)).toEqual(['young']);
});
