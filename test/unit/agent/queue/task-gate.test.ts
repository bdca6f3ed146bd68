import { expect, test } from 'vitest';
import type { GenerateSettings } from '../../../../src/agent/agent-options.js';
import type { TaskLimits } from '../../../../src/agent/queue/seen-task.js';
import { TaskGate } from '../../../../src/agent/queue/task-gate.js';
import type { AskedTask } from '../../../../src/protocol/queue.js';

const MINUTE = 60_000;
const HERE: GenerateSettings = {
  ...{ order: ['ollama'], idleTimeoutMs: 1, totalTimeoutMs: 1, retryWindowMs: 0 },
};
const ELSEWHERE: GenerateSettings = {
  ...HERE,
  ...{ order: ['openai'], openaiUrl: 'https://api.example.com/v1', allowCloud: true },
};

const task = (id: string, askedAtMs = 0) => ({ id, askedAtMs }) as AskedTask;
const ids = (tasks: readonly AskedTask[]) => tasks.map(({ id }) => id);
const open = (gate: TaskGate, tasks: readonly AskedTask[]) => tasks.filter(({ id }) => gate.mayTake(id));

function gateOf(afterMs: number | null, generate = HERE, limits: Record<string, TaskLimits> = {}) {
  const left: string[] = [];
  const gate = new TaskGate({
    ...{ generate, afterMs },
    limitsOf: (id) => limits[id] ?? {},
    onLeft: (id, why) => left.push(`${id}: ${why}`),
  });
  return { gate, left };
}

test('an agent that is no standby takes every task as it comes', () => {
  const { gate } = gateOf(null);
  expect(ids(open(gate, [task('a'), task('b', MINUTE)]))).toEqual(['a', 'b']);
  expect(gate.nextInMs([task('a')], 0)).toBe(Number.POSITIVE_INFINITY);
});

test('a standby takes a task once its time is over and the server was asked after that, and not before', () => {
  const { gate } = gateOf(10 * MINUTE);
  const tasks = [task('old'), task('new', 5 * MINUTE)];
  gate.asked(tasks, 10 * MINUTE - 1);
  expect(ids(open(gate, tasks))).toEqual([]);
  expect(gate.nextInMs(tasks, 9 * MINUTE)).toBe(MINUTE);
  // Its time is over by now, and what is known is older: another may have it.
  expect(gate.nextInMs(tasks, 11 * MINUTE)).toBe(0);
  expect(ids(open(gate, tasks))).toEqual([]);
  gate.asked(tasks, 10 * MINUTE);
  expect(ids(open(gate, tasks))).toEqual(['old']);
  expect(gate.nextInMs(tasks, 10 * MINUTE)).toBe(5 * MINUTE);
});

test('what it tried in vain it tries again after its time, and then after twice that', () => {
  const { gate } = gateOf(10 * MINUTE);
  const tasks = [task('a')];
  gate.asked(tasks, 10 * MINUTE);
  gate.triedInVain('a', 12 * MINUTE);
  gate.asked(tasks, 22 * MINUTE - 1);
  expect(ids(open(gate, tasks))).toEqual([]);
  gate.asked(tasks, 22 * MINUTE);
  expect(ids(open(gate, tasks))).toEqual(['a']);
  gate.triedInVain('a', 23 * MINUTE);
  expect(gate.nextInMs(tasks, 23 * MINUTE)).toBe(20 * MINUTE);
});

test('a task that was answered meanwhile is forgotten, and its id starts from nothing', () => {
  const { gate } = gateOf(MINUTE);
  gate.asked([task('a')], MINUTE);
  gate.triedInVain('a', MINUTE);
  gate.asked([], 2 * MINUTE);
  expect(gate.nextInMs([task('a', 2 * MINUTE)], 2 * MINUTE)).toBe(MINUTE);
});

test.each([
  ['any task', HERE, {}, ['none', 'none']],
  ['what is local only, where the model runs', HERE, { local_only: true }, ['none', 'none']],
  ['what is local only, with servers elsewhere alone', ELSEWHERE, { local_only: true }, ['third', 'third']],
  [
    'what is not local only, with servers elsewhere alone',
    ELSEWHERE,
    { local_only: false },
    ['none', 'none'],
  ],
  [
    'what names a server elsewhere and is local only',
    ELSEWHERE,
    { local_only: true, backend: 'openai' },
    ['third', 'third'],
  ],
  // Any agent may have a server of that kind beside its order; a standby keeps to its own.
  ['what names a server that it has not', HERE, { backend: 'lmstudio' }, ['none', 'for lmstudio']],
  ['what names a server that nobody knows', HERE, { backend: 'novel' }, ['none', 'for novel']],
] as const)('%s is left by agent and standby alike, or as it should', (_name, settings, limits, expected) => {
  const seen = [null, MINUTE].map((afterMs) => {
    const { gate, left } = gateOf(afterMs, settings, { a: limits });
    gate.asked([task('a')], MINUTE);
    gate.asked([task('a')], MINUTE);
    expect(open(gate, [task('a')])).toHaveLength(left.length === 0 ? 1 : 0);
    // It is told once.
    expect(left.length).toBeLessThan(2);
    return left[0] ?? 'none';
  });
  expect(seen).toEqual(expected.map((word) => (word === 'none' ? word : expect.stringContaining(word))));
});

test('a task that turned out to be forbidden is not taken again', () => {
  const { gate } = gateOf(null);
  gate.forbid('a');
  expect(open(gate, [task('a'), task('b')]).map(({ id }) => id)).toEqual(['b']);
});

test('what may be taken has another number after each change of it, and after nothing else', () => {
  const { gate } = gateOf(MINUTE, HERE, { secret: { local_only: true, backend: 'openai' } });
  const tasks = [task('a'), task('secret'), task('b', MINUTE)];
  const steps: [() => unknown, isChange: boolean][] = [
    [() => gate.asked(tasks, MINUTE - 1), true], // `secret` is found to be forbidden.
    [() => gate.asked(tasks, MINUTE), true],
    [() => gate.asked(tasks, MINUTE), false],
    [() => gate.mayTake('a'), false],
    [() => gate.asked(tasks, 2 * MINUTE), true],
    [() => gate.triedInVain('b', 2 * MINUTE), true],
    [() => gate.forbid('a'), true],
    [() => open(gate, tasks), false],
  ];
  const changes = steps.map(([step]) => {
    const before = gate.version;
    step();
    return gate.version !== before;
  });
  expect(changes).toEqual(steps.map(([, isChange]) => isChange));
});

test('a standby among half a million open tasks waits for the first of them', () => {
  const { gate } = gateOf(10 * MINUTE);
  const tasks = Array.from({ length: 500_000 }, (_, at) => task(`${at}`, MINUTE + at));
  expect(gate.nextInMs(tasks, MINUTE)).toBe(10 * MINUTE);
});
