import { expect, test } from 'vitest';
import { createAgentBoard } from '../../../src/cli/agent-board.js';

const TASK = '3f2a1b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a';
const OTHER = '9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d';
const started = (task: string, asker = 'bot') => ({ event: 'task-started', task, asker });

function connectedBoard() {
  const board = createAgentBoard();
  board.note({ event: 'connected', repo: 'ssh://server/x', name: 'home-pc' }, 0);
  return board;
}

test('an agent connects, waits, and counts what it has answered', () => {
  const board = createAgentBoard();
  expect(board.lines(0, 80)).toEqual(['connecting…']);
  board.note({ event: 'connected', repo: 'ssh://server/x', name: 'home-pc' }, 0);
  expect(board.lines(0, 80)).toEqual(['home-pc: waiting for tasks (0 answered)']);
  for (const event of ['task-answered', 'task-answered', 'task-failed']) {
    board.note(started(TASK), 0);
    board.note({ event, task: TASK }, 1);
  }
  expect(board.lines(2, 80)).toEqual(['home-pc: waiting for tasks (2 answered, 1 with an error)']);
});

test('a running task shows for how long, how many tokens came, and how quickly', () => {
  const board = connectedBoard();
  board.note(started(TASK), 1_000);
  expect(board.lines(13_400, 80)).toEqual([
    'home-pc: answering a task (0 answered)',
    '  3f2a1b9c  12 s  for bot, no token yet',
  ]);
  for (let index = 0; index < 50; index += 1) board.text(TASK, 14_000 + index);
  expect(board.lines(14_500, 80)[1]).toBe('  3f2a1b9c  13 s  for bot, 50 tokens');
  expect(board.lines(18_000, 80)[1]).toBe('  3f2a1b9c  17 s  for bot, 50 tokens, 12.5 tokens/s');
});

test('several tasks have a line each, and go when they are over', () => {
  const board = connectedBoard();
  board.note(started(TASK), 0);
  board.note(started(OTHER, 'other'), 0);
  board.text(OTHER, 0);
  expect(board.lines(500, 80)).toEqual([
    'home-pc: answering 2 tasks (0 answered)',
    '  3f2a1b9c  1 s  for bot, no token yet',
    '  9c8d7e6f  1 s  for other, 1 token',
  ]);
  board.note({ event: 'task-lost', task: TASK }, 600);
  expect(board.lines(600, 80)).toHaveLength(2);
  board.note({ event: 'task-dropped', task: OTHER }, 650);
  expect(board.lines(600, 80)).toEqual(['home-pc: waiting for tasks (0 answered, 1 with an error)']);
  // What still comes from one that is over changes nothing.
  board.text(TASK, 700);
});

test('a bridge that is away is said, until it works again', () => {
  const board = connectedBoard();
  board.note({ event: 'retrying', code: 'unreachable' }, 0);
  expect(board.lines(0, 80)).toEqual(['home-pc: trying again (0 answered)']);
  board.note({ event: 'recovered', after_ms: 5 }, 0);
  expect(board.lines(0, 80)).toEqual(['home-pc: waiting for tasks (0 answered)']);
});

test('no line is longer than the terminal is wide, and none steers it', () => {
  const board = connectedBoard();
  board.note(started(TASK, 'x\u001b[31m\r\n\u202ey'), 0);
  const [, line = ''] = board.lines(0, 24);
  expect(line).toHaveLength(24);
  expect(board.lines(0, 200)[1]).toBe('  3f2a1b9c  1 s  for x [31m y, no token yet');
});
