import { afterEach, expect, test, vi } from 'vitest';
import { IdleGroup } from '../../../src/agent/idle-group.js';

const NEVER = new AbortController().signal;

const NOT_AT_ALL = () => false;

afterEach(() => void vi.useRealTimers());

/**
 * Two bridges; `answers` says whether the other one is busy when it is asked once more, `works` whether a
 * bridge has something at work between its turns, `rings` whether its doorbell rang.
 */
function pair(
  answers: () => boolean,
  works: (name: string) => boolean = NOT_AT_ALL,
  rings: (name: string) => boolean = NOT_AT_ALL,
) {
  const group = new IdleGroup(2);
  const restarted: string[] = [];
  const asked: string[] = [];
  const join = (name: string) => {
    const member = group.join({
      isWorking: () => works(name),
      isRung: () => rings(name),
      askAgain: () => {
        asked.push(name);
        queueMicrotask(() => member.turn(answers()));
      },
      restart: () => restarted.push(name),
    });
    return member;
  };
  return { home: join('home'), club: join('club'), restarted, asked };
}

test('the command is run only when every bridge has had nothing for its time, and each was asked once more', async () => {
  const { home, club, restarted, asked } = pair(() => false);
  expect(await home.mayRun(NEVER)).toBe(false);
  expect(asked).toEqual([]);
  expect(await club.mayRun(NEVER)).toBe(true);
  expect(asked).toEqual(['home']);
  club.ran();
  expect(restarted).toEqual(['home', 'club']);
  // The time of all starts from nothing.
  expect(await club.mayRun(NEVER)).toBe(false);
});

test('what comes on one bridge keeps the PC awake for all, until its time is over again', async () => {
  const { home, club } = pair(() => false);
  await home.mayRun(NEVER);
  home.turn(true);
  home.turn(false);
  expect(await club.mayRun(NEVER)).toBe(false);
  expect(await home.mayRun(NEVER)).toBe(true);
});

test('what the other server says at the last moment counts', async () => {
  const { home, club } = pair(() => true);
  await home.mayRun(NEVER);
  expect(await club.mayRun(NEVER)).toBe(false);
});

test('one bridge alone asks nobody, and one that has left is nobody', async () => {
  const { home, club } = pair(() => true);
  club.leave();
  expect(await home.mayRun(NEVER)).toBe(true);
});

test.each(['home', 'club'])('what %s has at work holds it back, though no turn has said so', async (busy) => {
  let isWorking = true;
  const { home, club } = pair(
    () => false,
    (name) => isWorking && name === busy,
  );
  await home.mayRun(NEVER);
  expect(await club.mayRun(NEVER)).toBe(false);
  isWorking = false;
  expect(await club.mayRun(NEVER)).toBe(true);
});

test('a task that a bridge had begun when its server was lost is ended before the PC sleeps', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  let isWorking = true;
  const { club, asked } = pair(
    () => false,
    (name) => isWorking && name === 'home',
  );
  // Home takes no turn any more: it waits for its server, and is nobody to ask.
  vi.advanceTimersByTime(4 * 60_000);
  club.turn(false);
  expect(await club.mayRun(NEVER)).toBe(false);
  isWorking = false;
  expect(await club.mayRun(NEVER)).toBe(true);
  expect(asked).toEqual([]);
});

test('a bridge in a long wait that it planned is asked, and only one that is late for its turn is nobody', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const { home, club, asked } = pair(() => true);
  home.waits(250_000);
  await home.mayRun(NEVER);
  vi.advanceTimersByTime(200_000);
  club.turn(false);
  // Something came to home during its wait.
  expect(await club.mayRun(NEVER)).toBe(false);
  expect(asked).toEqual(['home']);
  home.turn(false);
  home.waits(250_000);
  vi.advanceTimersByTime(250_000 + 181_000);
  club.turn(false);
  expect(await club.mayRun(NEVER)).toBe(true);
  expect(asked).toEqual(['home']);
});

test.each(['home', 'club'])('a ring on %s while the other server is asked is heeded', async (rung) => {
  let isRung = false;
  const answers = () => {
    isRung = true;
    return false;
  };
  const { home, club } = pair(answers, NOT_AT_ALL, (name) => isRung && name === rung);
  await home.mayRun(NEVER);
  expect(await club.mayRun(NEVER)).toBe(false);
});

test('a ring on one bridge alone, after its server was asked, is heeded', async () => {
  let isRung = true;
  const { home, club } = pair(NOT_AT_ALL, NOT_AT_ALL, () => isRung);
  club.leave();
  expect(await home.mayRun(NEVER)).toBe(false);
  isRung = false;
  expect(await home.mayRun(NEVER)).toBe(true);
});

test('a bridge that is still on its way keeps the PC awake, one that does not come keeps nobody', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const steps = { isWorking: NOT_AT_ALL, isRung: NOT_AT_ALL, askAgain: () => {}, restart: () => {} };
  const only = new IdleGroup(2).join(steps);
  expect(await only.mayRun(NEVER)).toBe(false);
  vi.advanceTimersByTime(4 * 60_000);
  expect(await only.mayRun(NEVER)).toBe(true);
});
