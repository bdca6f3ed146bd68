import { expect, test, vi } from 'vitest';
import { IdleGroup } from '../../../src/agent/idle-group.js';

const NEVER = new AbortController().signal;

/**
 * Two bridges; `answers` says whether the other one is busy when it is asked once more, `works` whether a
 * bridge has something at work between its turns.
 */
function pair(answers: () => boolean, works: (name: string) => boolean = () => false) {
  const group = new IdleGroup();
  const restarted: string[] = [];
  const asked: string[] = [];
  const join = (name: string) => {
    const member = group.join({
      isWorking: () => works(name),
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
  try {
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
  } finally {
    vi.useRealTimers();
  }
});
