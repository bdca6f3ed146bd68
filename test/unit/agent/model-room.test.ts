import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ModelRoom, type RoomUser, type TaskInLine } from '../../../src/agent/model-room.js';
import { inOrderOfAnswering } from '../../../src/protocol/queue.js';

/** What is to be done for a task, and what became of it. */
interface FakeTask {
  readonly name: string;
  readonly in: Omit<TaskInLine, 'isFree'>;
  state: 'waits' | 'runs' | 'done';
}

/**
 * A bridge whose tasks all fall to the agent, unless it `refuses`. What is started is written down. Its line
 * ends behind `maxFree` free tasks.
 */
class Bridge implements RoomUser {
  #tasks: FakeTask[] = [];

  constructor(
    readonly bridge: string,
    private readonly started: string[],
    private readonly refuses = false,
    private readonly maxFree = Number.POSITIVE_INFINITY,
  ) {}

  asks(name: string, source: string, waitedMs: number, priority = 0): this {
    this.#tasks.push({ name, in: { source, waitedMs, priority }, state: 'waits' });
    return this;
  }

  withModel() {
    return this.#tasks.filter(({ state }) => state === 'runs').length;
  }

  #inOrder(): readonly FakeTask[] {
    const asked = [...this.#tasks].sort((a, b) => b.in.waitedMs - a.in.waitedMs);
    return inOrderOfAnswering(asked, (task) => ({ ...task.in, askedAtMs: -task.in.waitedMs }), 0);
  }

  line() {
    const whole = this.#inOrder().map((task) => ({ ...task.in, isFree: task.state === 'waits' }));
    let free = 0;
    const last = whole.findIndex(({ isFree }) => isFree && ++free === this.maxFree);
    return last < 0 ? whole : whole.slice(0, last + 1);
  }

  take(room: number) {
    const waiting = this.#inOrder().filter(({ state }) => state === 'waits');
    const free = this.refuses ? [] : waiting.slice(0, room);
    for (const task of free) {
      task.state = 'runs';
      this.started.push(`${this.bridge} ${task.name}`);
    }
    return free.length;
  }

  /** The models are done with what ran; its answers are on their way, so it counts until `answered`. */
  done(): void {
    for (const task of this.#tasks) if (task.state === 'runs') task.state = 'done';
  }

  answered(): void {
    this.#tasks = this.#tasks.filter(({ state }) => state !== 'done');
  }
}

/**
 * Fills the room again and again, each time when all that runs is done; returns what was started, in order.
 */
function orderOf(parallel: number, make: (started: string[]) => Bridge[]): string[] {
  const started: string[] = [];
  const bridges = make(started);
  const room = new ModelRoom(parallel);
  for (const one of bridges) room.enter(one);
  for (let before = -1; before < started.length; ) {
    before = started.length;
    room.fill();
    expect(bridges.reduce((sum, one) => sum + one.withModel(), 0)).toBeLessThanOrEqual(parallel);
    for (const one of bridges) one.answered();
    for (const one of bridges) one.done();
  }
  return started;
}

const flooded = (started: string[]) =>
  new Bridge('home', started)
    .asks('1', 'bot', 90)
    .asks('2', 'bot', 80)
    .asks('3', 'bot', 70)
    .asks('4', 'bot', 60);

test('who floods one bridge does not hold up who asks little on another, and askers of one name are two', () => {
  const order = orderOf(1, (started) => [
    flooded(started),
    new Bridge('club', started).asks('a', 'bot', 20).asks('b', 'bot', 10),
  ]);
  expect(order).toEqual(['home 1', 'club a', 'home 2', 'club b', 'home 3', 'home 4']);
});

test('the higher priority goes first, whichever bridge it is on', () => {
  const order = orderOf(1, (started) => [
    flooded(started),
    new Bridge('club', started).asks('a', 'bot', 10, 5),
  ]);
  expect(order).toEqual(['club a', 'home 1', 'home 2', 'home 3', 'home 4']);
});

test('the room counts over all bridges, and each gets its share of it', () => {
  const order = orderOf(2, (started) => [
    flooded(started),
    new Bridge('club', started).asks('a', 'bot', 10),
    new Bridge('far', started).asks('x', 'bot', 5),
  ]);
  expect(order.slice(0, 2)).toEqual(['home 1', 'club a']);
  expect(order.indexOf('far x')).toBe(2);
});

test('a bridge none of whose tasks falls to this agent holds up no other', () => {
  const order = orderOf(1, (started) => [
    new Bridge('home', started, true).asks('1', 'bot', 90),
    new Bridge('club', started).asks('a', 'bot', 10).asks('b', 'bot', 5),
  ]);
  expect(order).toEqual(['club a', 'club b']);
});

test('one that has left takes no room and has no turn', () => {
  const started: string[] = [];
  const room = new ModelRoom(1);
  const [home, club] = [flooded(started), new Bridge('club', started).asks('a', 'bot', 10)];
  for (const one of [home, club]) room.enter(one);
  room.fill();
  room.leave(home);
  expect(room.free()).toBe(1);
  room.fill();
  expect(started).toEqual(['home 1', 'club a']);
});

test('lines that end behind as many free tasks as there is room fill the room as whole lines do', () => {
  const task = fc.record({
    source: fc.constantFrom('alice', 'bob', 'carol'),
    priority: fc.constantFrom(0, 0, 0, 1),
    waitedMs: fc.integer({ min: 0, max: 3 * 3_600_000 }),
  });
  const bridges = fc.array(fc.array(task, { maxLength: 30 }), { minLength: 2, maxLength: 3 });
  fc.assert(
    fc.property(bridges, fc.integer({ min: 1, max: 4 }), (asked, parallel) => {
      const order = (maxFree: number) =>
        orderOf(parallel, (started) =>
          asked.map((tasks, at) => {
            const bridge = new Bridge(`bridge ${at}`, started, false, maxFree);
            for (const [nth, { source, waitedMs, priority }] of tasks.entries())
              bridge.asks(`${nth}`, source, waitedMs, priority);
            return bridge;
          }),
        );
      expect(order(parallel)).toEqual(order(Number.POSITIVE_INFINITY));
    }),
  );
});
