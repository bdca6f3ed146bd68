import { beforeEach, describe, expect, test } from 'vitest';
import type { Offer } from '../../../../src/agent/backends/model-offer.js';
import type {
  ClaimChange,
  ClaimsEffect,
  ClaimsEvent,
  PushedChange,
} from '../../../../src/agent/claims/claims-events.js';
import type { ClaimsFacts } from '../../../../src/agent/claims/claims-facts.js';
import { type ClaimsState, FIRST_CLAIMS } from '../../../../src/agent/claims/claims-state.js';
import { nextPushMs } from '../../../../src/agent/claims/plan-pushes.js';
import { reduceClaims } from '../../../../src/agent/claims/reduce-claims.js';
import { lookAgainMs } from '../../../../src/agent/claims/start-tasks.js';
import type { SideRefs } from '../../../../src/bridge/side-refs.js';
import { claimRef } from '../../../../src/protocol/claim.js';
import { type AgentModels, modelsRef } from '../../../../src/protocol/models.js';
import { PRESENCE_EVERY_MS, type Presence, presenceRef } from '../../../../src/protocol/presence.js';
import type { Refusal } from '../../../../src/protocol/refusal.js';
import { aPresence } from '../../../support/a-presence.js';

const SELF = { agent: 'home-pc', session: '1'.repeat(16) };
const OTHER = { agent: 'attic-pc', session: '2'.repeat(16) };
const SERVER = Date.parse('2026-11-22T17:00:00.000Z');
const LEASE_MS = 60_000;
const NEVER = Number.POSITIVE_INFINITY;

/** The claims of an agent, told what happens at which time; times are milliseconds since the start. */
class Told {
  state: ClaimsState = FIRST_CLAIMS;
  nowMs = 0;
  facts: Partial<ClaimsFacts> = {};

  at(nowMs: number, event: ClaimsEvent): readonly ClaimsEffect[] {
    this.nowMs = nowMs;
    const { state, effects } = reduceClaims(this.state, event, this.now());
    this.state = state;
    return effects;
  }

  now(): ClaimsFacts {
    const { nowMs } = this;
    const known = { self: SELF, leaseMs: LEASE_MS, isConnected: true, saysPresence: false, jitter: 1 };
    const models = { sharesModels: false, isStandby: false };
    const no = { isPending: () => false, isFinished: () => false };
    return { ...known, ...models, ...no, nowMs, serverNowMs: SERVER + nowMs, ...this.facts };
  }

  /** A fetch that takes no time. */
  fetch(nowMs: number, refs: SideRefs = there()): readonly ClaimsEffect[] {
    this.at(nowMs, { type: 'asked' });
    return this.at(nowMs, { type: 'fetched', refs });
  }

  /** What is pushed at that time; null for nothing. */
  push(nowMs: number) {
    const [effect] = this.at(nowMs, { type: 'woke' });
    return effect?.do === 'push' ? effect.changes : null;
  }

  /** What was just to be pushed has arrived, but for some refs. */
  pushed(startedAtMs: number, nowMs: number, changes: readonly PushedChange[], lost: readonly string[] = []) {
    const refs = new Set(changes.map(({ ref }) => ref).filter((ref) => !lost.includes(ref)));
    return this.at(nowMs, { type: 'pushed', changes, refs, startedAtMs });
  }

  /** This task is generated, and claimed from 1000 on. */
  claimed(task: string, id = `mine ${task}`) {
    this.at(0, { type: 'began', task, claimFirst: true });
    this.pushed(1000, 1000, [made(task, id)]);
  }

  nextPushMs(): number {
    return nextPushMs(this.state, this.now());
  }
}

const made = (task: string, to: string): PushedChange => ({
  ...{ kind: 'claim', task, ref: claimRef(task) },
  ...{ to, from: null },
});
const said: PushedChange = { kind: 'presence', ref: presenceRef(SELF.agent), to: 'word', from: null };
const claim = (task: string) => ({ kind: 'claim', task });
const end = (task: string) => ({ kind: 'end', task });
const ask = (what: 'look' | 'fetch') => ({ do: 'ask', what });
const goOn = (task: string) => ({ do: 'go-on', task });
const start = (task: string, claimFirst: boolean) => ({ do: 'start', task, claimFirst });

/** What model servers offer: models of Ollama by name, and which of them are in memory. */
function offering(
  names: readonly string[] = [],
  other: { loaded?: readonly string[]; silent?: readonly string[] } = {},
): Offer {
  const models = names.map((name) => ({ name, backend: 'ollama', can: ['chat'] }));
  const known = { backends: ['ollama'], silent: [], loaded: [], isCloudOnly: false };
  return { ...known, models, chatModels: names, ...other };
}

/** Claims by task, as `<holder>` with a lease until `untilMs`, and presences. */
function there(
  claims: Record<string, { of: typeof SELF; untilMs: number }> = {},
  presences: readonly Partial<Presence>[] = [],
): SideRefs {
  const seenAt = new Date(SERVER).toISOString();
  const agents = presences.map((one) => aPresence({ ...OTHER, seen_at: seenAt, ...one }));
  return {
    claims: new Map(
      Object.entries(claims).map(([task, { of, untilMs }]) => {
        const until = new Date(SERVER + untilMs).toISOString();
        return [task, { id: `${of.agent} ${untilMs}`, claim: { ...of, until } }];
      }),
    ),
    agents: new Map(agents.map((presence) => [presence.agent, { id: presence.seen_at, presence }])),
    models: new Map(),
  };
}

let told: Told;
beforeEach(() => {
  told = new Told();
});

describe('a claim', () => {
  test.each([
    ['waits a moment where this agent is alone: an answer at once costs no push', false, there(), 200],
    ['goes out at once where a model is to wait for it', true, there(), 0],
    ['goes out at once where another agent is there', false, there({}, [{}]), 0],
    [
      'goes out at once where another agent has claimed something',
      false,
      there({ u: { of: OTHER, untilMs: 9_000 } }),
      0,
    ],
  ])('%s', (_what, claimFirst, refs, afterMs) => {
    told.fetch(1000, refs);
    told.at(2000, { type: 'began', task: 't', claimFirst });
    expect(told.nextPushMs()).toBe(2000 + afterMs);
    expect(told.push(2000 + afterMs - 1)).toBeNull();
    expect(told.push(2000 + afterMs)).toEqual([claim('t')]);
  });

  test('is not pushed where the generation ended before, main is not known, or the bridge takes none', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: true });
    for (const facts of [{ isConnected: false }, { leaseMs: null }]) {
      told.facts = facts;
      expect([told.nextPushMs(), told.push(9000)]).toEqual([NEVER, null]);
    }
    told.facts = {};
    told.at(100, { type: 'ended', task: 't' });
    expect([told.nextPushMs(), told.push(9000)]).toEqual([NEVER, null]);
  });

  test('is renewed when a third of its lease is over, with those that are due soon, and the model goes on', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: true });
    expect(told.pushed(1000, 1500, [made('t', 'a')])).toEqual([goOn('t')]);
    told.at(2000, { type: 'began', task: 'u', claimFirst: true });
    told.pushed(9000, 9100, [made('u', 'b')]);
    expect(told.nextPushMs()).toBe(21_000);
    expect(told.push(20_999)).toBeNull();
    expect(told.push(21_000)).toEqual([claim('t'), claim('u')]);
  });

  test('stays while its answer waits to be pushed, and goes with it', () => {
    told.claimed('t');
    told.at(2000, { type: 'ended', task: 't' });
    told.facts = { isFinished: (task) => task === 't' };
    expect(told.nextPushMs()).toBe(21_000);
    told.at(3000, { type: 'answered', tasks: ['t'] });
    expect([told.nextPushMs(), told.state.own.remote.size]).toEqual([NEVER, 0]);
  });

  test('that nobody works under is released after a second', () => {
    told.claimed('t');
    told.at(1200, { type: 'ended', task: 't' });
    expect(told.push(1999)).toBeNull();
    expect(told.push(2000)).toEqual([end('t')]);
    told.pushed(2000, 2100, [{ kind: 'end', task: 't', ref: claimRef('t'), to: null, from: 'mine t' }]);
    expect(told.nextPushMs()).toBe(NEVER);
  });

  test('of another agent ends our generation of that task, unless ours is newer than the fetch', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: true });
    const theirs = there({ t: { of: OTHER, untilMs: 60_000 } });
    told.at(400, { type: 'asked' });
    told.pushed(300, 500, [made('t', 'mine')]);
    expect(told.at(600, { type: 'fetched', refs: theirs })).toEqual([]);
    expect(told.fetch(700, theirs)).toEqual([
      { do: 'leave', task: 't', why: 'attic-pc has it; leaving it there' },
    ]);
    expect(told.nextPushMs()).toBe(NEVER);
    // Once is enough.
    expect(told.fetch(800, theirs)).toEqual([]);
  });
});

describe('a claim of an agent that is alone', () => {
  test('is not made any more once the model is done, because the answer is on its way', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: false });
    told.at(150, { type: 'generated', task: 't' });
    expect([told.nextPushMs(), told.push(60_000)]).toEqual([NEVER, null]);
  });

  test('is renewed all the same where it was made before', () => {
    told.claimed('t');
    told.at(1500, { type: 'generated', task: 't' });
    expect(told.push(1000 + LEASE_MS / 3)).toEqual([claim('t')]);
  });

  test('is made all the same where another agent is there', () => {
    told.fetch(0, there({}, [{}]));
    told.at(0, { type: 'began', task: 't', claimFirst: false });
    told.at(0, { type: 'generated', task: 't' });
    expect(told.push(0)).toEqual([claim('t')]);
  });

  test.each([
    ['a quarter of what a push takes', 200, 25],
    ['a tenth of a second at most', 20_000, 100],
  ])('waits for those of the tasks that start behind it: %s', (_what, tookMs, gatherMs) => {
    // The average begins with a push of no time.
    told.pushed(0, tookMs, []);
    told.at(30_000, { type: 'began', task: 't', claimFirst: true });
    expect(told.push(30_000 + gatherMs - 1)).toBeNull();
    told.at(30_000 + gatherMs, { type: 'began', task: 'u', claimFirst: true });
    expect(told.push(30_000 + gatherMs)).toEqual([claim('t'), claim('u')]);
  });
});

describe('a push', () => {
  const refusal = (code: Refusal['code'], about: Partial<Refusal> = {}): Refusal => {
    return { code, text: '', remedy: '', ...about };
  };
  const about = (task: string) => ({ ref: claimRef(task), holder: 'attic-pc' });
  const leave = (why: string) => ({ do: 'leave', task: 't', why });
  const over = 'answered by another, or out of time';

  test.each<[string, Refusal, readonly unknown[], number]>([
    [
      'a claim of another',
      refusal('claimed', about('t')),
      [leave('attic-pc has it; leaving it there'), ask('fetch')],
      5000,
    ],
    [
      'an answered task',
      refusal('answered', about('t')),
      [{ do: 'settle', task: 't' }, leave(over), ask('fetch')],
      5000,
    ],
    [
      'a task out of time',
      refusal('expired', about('t')),
      [{ do: 'settle', task: 't' }, leave(over), ask('fetch')],
      5000,
    ],
    [
      'a task that is not there',
      refusal('unknown-task', about('t')),
      [{ do: 'settle', task: 't' }, leave(over), ask('fetch')],
      5000,
    ],
    ['a claim that does not say which', refusal('claimed'), [ask('fetch')], 6000],
    ['a claim that has moved', refusal('stale', about('t')), [ask('fetch')], 6000],
    ['our clock', refusal('clock'), [{ do: 'forget-terms' }, ask('fetch')], 6000],
    ['a fault of the hook', refusal('internal'), [goOn('t'), goOn('u'), ask('fetch')], 6000],
  ])(
    'that is refused for %s is dealt with, and the rest is pushed again',
    (_what, why, effects, retryAtMs) => {
      for (const task of ['t', 'u']) told.at(0, { type: 'began', task, claimFirst: true });
      const changes = told.push(0) ?? [];
      expect(told.at(5000, { type: 'refused', changes, refusal: why, startedAtMs: 4000 })).toEqual(effects);
      expect(told.nextPushMs()).toBe(retryAtMs);
      const isLeft = effects.some((effect) => (effect as ClaimsEffect).do === 'leave');
      expect(told.push(retryAtMs)).toEqual(isLeft ? [claim('u')] : [claim('t'), claim('u')]);
    },
  );

  test('that is refused for its time again and again is pushed less and less often, every five minutes at last', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: true });
    const waits: number[] = [];
    let nowMs = 0;
    for (let times = 0; times < 12; times += 1) {
      const changes = told.push(nowMs) ?? [];
      expect(changes).toEqual([claim('t')]);
      told.at(nowMs, { type: 'refused', changes, refusal: refusal('clock'), startedAtMs: nowMs });
      waits.push(told.nextPushMs() - nowMs);
      nowMs = told.nextPushMs();
    }
    expect(waits.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(waits.slice(-2)).toEqual([300_000, 300_000]);
  });

  test('of a renewal that is refused for a claim of another gives up ours, also where only its answer waits', () => {
    told.claimed('t');
    told.at(2000, { type: 'ended', task: 't' });
    told.facts = { isFinished: () => true };
    const changes = told.push(21_000) ?? [];
    told.at(21_500, {
      type: 'refused',
      changes,
      refusal: refusal('claimed', about('t')),
      startedAtMs: 21_000,
    });
    expect([told.state.own.held.size, told.nextPushMs()]).toEqual([0, NEVER]);
  });

  test('that is refused for good is the last: every generation goes on, and it is said', () => {
    for (const task of ['t', 'u']) told.at(0, { type: 'began', task, claimFirst: true });
    const why = refusal('ref', { text: 'a push moves one ref' });
    expect(told.at(10, { type: 'refused', changes: [], refusal: why, startedAtMs: 5 })).toEqual([
      goOn('t'),
      goOn('u'),
      {
        do: 'log',
        level: 'info',
        text: 'going on without claims: the server refused one: a push moves one ref',
      },
    ]);
    expect(told.nextPushMs()).toBe(NEVER);
    // Tasks are started without claims from now on.
    const choosing = {
      ...{ free: ['a', 'b'], left: [], room: 1, ahead: 0, cancelled: 0, isCancelled: () => false },
      ...{ wants: () => null, seenMs: () => 20 },
    };
    expect(told.at(20, { type: 'choosing', ...choosing })).toEqual([start('a', false)]);
  });

  test('that does not get through holds up no model, and is made again ever less often', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: true });
    const waits: number[] = [];
    for (let times = 0; times < 6; times++) {
      const nowMs = told.nextPushMs();
      const changes = told.push(nowMs) ?? [];
      expect(told.at(nowMs, { type: 'failed', changes })).toEqual([goOn('t'), ask('fetch')]);
      waits.push(told.nextPushMs() - nowMs);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000]);
    told.pushed(60_000, 60_000, [made('t', 'a')]);
    told.at(80_000, { type: 'failed', changes: [] });
    expect(told.nextPushMs()).toBe(81_000);
  });

  test('of which nothing was heard is asked about, because its claim would outlive the answer', () => {
    told.at(0, { type: 'began', task: 't', claimFirst: false });
    const changes = told.push(200) ?? [];
    expect(told.at(300, { type: 'failed', changes })).toContainEqual(ask('fetch'));
    told.at(400, { type: 'ended', task: 't' });
    told.at(500, { type: 'answered', tasks: ['t'] });
    expect(told.nextPushMs()).toBe(NEVER);
    told.fetch(600, there({ t: { of: SELF, untilMs: 60_000 } }));
    expect(told.push(1600)).toEqual([end('t')]);
    // What ends a claim is pushed until it is gone, and the word of an agent says nothing of a task.
    expect(told.at(1700, { type: 'failed', changes: [{ kind: 'end', task: 't' }] })).toEqual([goOn('t')]);
    expect(told.at(1800, { type: 'failed', changes: [{ kind: 'presence' }] })).toEqual([]);
  });

  test('of which some refs were not as we knew them asks for a fetch, and waits a second', () => {
    for (const task of ['t', 'u']) told.at(0, { type: 'began', task, claimFirst: true });
    const changes = [made('t', 'a'), made('u', 'a')];
    expect(told.pushed(0, 100, changes, [claimRef('u')])).toEqual([goOn('t'), ask('fetch')]);
    expect(told.nextPushMs()).toBe(1100);
    expect(told.push(1100)).toEqual([claim('u')]);
  });
});

describe('the word that this agent is there', () => {
  beforeEach(() => {
    told.facts = { saysPresence: true };
  });

  test('goes out once the model servers have answered, and again every two minutes', () => {
    expect(told.nextPushMs()).toBe(NEVER);
    told.at(300, { type: 'ready', offer: offering() });
    expect(told.push(300)).toEqual([{ kind: 'presence' }]);
    expect(told.pushed(300, 500, [said])).toEqual([ask('look')]);
    expect(told.nextPushMs()).toBe(300 + PRESENCE_EVERY_MS);
  });

  test('goes out again where what it says has changed while it was on its way', () => {
    told.at(0, { type: 'ready', offer: offering() });
    told.push(0);
    told.at(2000, { type: 'ready', offer: offering(['llama3.2']) });
    told.pushed(0, 3000, [said]);
    expect(told.push(3000)).toEqual([{ kind: 'presence' }]);
    told.pushed(3000, 3500, [said]);
    expect(told.nextPushMs()).toBe(3000 + PRESENCE_EVERY_MS);
  });

  test.each<[string, (changes: readonly ClaimChange[]) => ClaimsEvent]>([
    ['does not get through', (changes) => ({ type: 'failed', changes })],
    [
      'is refused',
      (changes) => ({
        ...{ type: 'refused', changes, startedAtMs: 0 },
        refusal: { code: 'stale', text: '', remedy: '', ref: said.ref },
      }),
    ],
  ])('goes out again soon where it %s', (_what, event) => {
    told.at(0, { type: 'ready', offer: offering() });
    const changes = told.push(0) ?? [];
    told.at(500, event(changes));
    expect(told.nextPushMs()).toBe(1500);
    expect(told.push(1500)).toEqual([{ kind: 'presence' }]);
  });

  test('is tried again after a second where another was there first', () => {
    told.at(0, { type: 'ready', offer: offering() });
    expect(told.pushed(0, 500, [said], [said.ref])).toEqual([ask('fetch')]);
    expect([told.nextPushMs(), told.state.presentSinceMs]).toEqual([1500, NEVER]);
  });

  test('takes along claims of others that are long over, on tasks that nobody waits for', () => {
    const over = { of: OTHER, untilMs: 1000 };
    told.fetch(0, there({ old: over, pending: over, late: { of: OTHER, untilMs: 2000 } }));
    told.at(0, { type: 'ready', offer: offering() });
    told.facts = { saysPresence: true, isPending: (task) => task === 'pending' };
    expect(told.push(31_500)).toEqual([{ kind: 'presence' }, end('old')]);
  });

  test('takes them along at once where they were over before this agent came', () => {
    told.facts = { saysPresence: true };
    told.fetch(0, there({ old: { of: OTHER, untilMs: -31_000 }, late: { of: OTHER, untilMs: -29_000 } }));
    told.at(0, { type: 'ready', offer: offering() });
    expect(told.push(0)).toEqual([{ kind: 'presence' }, end('old')]);
  });

  test('of another agent by our name is warned of once', () => {
    const twin = there({}, [{ agent: SELF.agent }]);
    const warned = told.fetch(0, twin).map((effect) => effect.do === 'log' && [effect.level, effect.text]);
    expect(warned).toEqual([['warn', expect.stringMatching(/^another agent answers as home-pc: /)]]);
    expect(told.fetch(1, twin)).toEqual([]);
    expect(new Told().fetch(0, there({}, [{ ...SELF }]))).toEqual([]);
  });
});

describe('of the free tasks', () => {
  const choose = (
    nowMs: number,
    free: readonly string[],
    room = 9,
    isCancelled: readonly string[] = [],
    ahead = 0,
    seenMs = nowMs,
    cancelled = 9,
  ) =>
    told.at(nowMs, {
      ...{ type: 'choosing', free, left: [], room, ahead, cancelled },
      isCancelled: (task) => isCancelled.includes(task),
      wants: () => null,
      seenMs: () => seenMs,
    });
  const untilLook = () => lookAgainMs(told.state, told.now());

  test('as many start as there is room for, and beside them as many of the cancelled ones as may', () => {
    told.fetch(0);
    const all = ['c', 'a', 'b', 'd', 'e'];
    const started = (cancelled: number) => choose(0, all, 1, ['c', 'd', 'e'], 0, 0, cancelled);
    for (const [cancelled, tasks] of [
      [0, ['a']],
      [2, ['c', 'a', 'd']],
      [9, ['c', 'a', 'd', 'e']],
    ] as const)
      expect(started(cancelled)).toEqual(tasks.map((task) => start(task, false)));
  });

  test('cancelled ones take nothing of the room, so a task that falls to another is looked at again in time', () => {
    told.fetch(0, there({}, [{}]));
    const tasks = Array.from({ length: 20 }, (_, n) => `task ${n}`);
    const mine = choose(0, tasks).flatMap((one) => (one.do === 'start' ? [one.task] : []));
    const theirs = tasks.filter((task) => !mine.includes(task)).slice(0, 1);
    expect(choose(0, [...theirs, ...mine], 2, mine)).toHaveLength(mine.length);
    expect(untilLook()).toBe(2000);
  });

  test('one that another holds is left until its lease is over and a fetch has shown it', () => {
    told.fetch(0, there({ t: { of: OTHER, untilMs: 8000 } }));
    expect(choose(0, ['t'])).toEqual([]);
    expect(untilLook()).toBe(8000);
    expect(choose(8000, ['t'])).toEqual([]);
    told.at(8100, { type: 'asked' });
    told.at(8200, { type: 'unchanged' });
    expect(choose(8200, ['t'])).toEqual([start('t', false)]);
  });

  test('one that falls to another agent is held off, and then claimed first', () => {
    told.fetch(0, there({}, [{}]));
    const tasks = Array.from({ length: 20 }, (_, n) => `task ${n}`);
    const ours = choose(0, tasks, 20).map((effect) => effect.do === 'start' && effect.task);
    const theirs = tasks.filter((task) => !ours.includes(task));
    expect([told.state.isHoldingOff, theirs.length > 0, untilLook()]).toEqual([true, true, 2000]);
    told.fetch(2000, there({}, [{}]));
    const late = choose(2000, theirs, 20);
    expect(late.map((effect) => effect.do === 'start' && effect.claimFirst)).toEqual(theirs.map(() => true));
    // However slow pushes are here, nobody is waited for longer than ten seconds.
    told.pushed(2000, 62_000, []);
    choose(62_000, ['new one', ...theirs.slice(0, 1)], 20);
    expect(untilLook()).toBe(10_000);
  });

  test('those that were there before us are claimed first, until others can know of us and we of them', () => {
    told.facts = { saysPresence: true };
    told.fetch(0);
    expect(choose(0, ['old'])).toEqual([start('old', true)]);
    expect(choose(10, ['old', 'new'])).toEqual([start('old', true), start('new', false)]);
    told.pushed(100, 100, [said]);
    expect(untilLook()).toBe(5100);
    // A busy agent has to be told to look.
    expect(choose(5100, ['old'])).toEqual([ask('look'), start('old', true)]);
    told.at(5100, { type: 'asked' });
    expect(choose(5110, ['old'])).toEqual([start('old', true)]);
    told.at(5200, { type: 'unchanged' });
    expect(choose(5200, ['old'])).toEqual([start('old', false)]);
    expect(untilLook()).toBe(NEVER);
  });

  test('one that was there before us is claimed first, however late it comes to the front of the line', () => {
    told.facts = { saysPresence: true };
    told.fetch(0);
    told.pushed(100, 100, [said]);
    expect(choose(0, ['a'])).toEqual([start('a', true)]);
    expect(choose(3000, ['b'], 9, [], 0, 0)).toEqual([start('b', true)]);
    expect(choose(3000, ['c'], 9, [], 0, 2900)).toEqual([start('c', false)]);
  });

  test('those that we saw before the others could know of us are left to them, then claimed first', () => {
    told.facts = { saysPresence: true };
    told.fetch(0, there({}, [{}]));
    const tasks = Array.from({ length: 20 }, (_, n) => `task ${n}`);
    expect([choose(10, tasks, 20), untilLook()]).toEqual([[], 2010]);
    // They hear of us by a ring, and fetch.
    told.pushed(400, 500, [said]);
    expect([choose(500, tasks, 20), untilLook()]).toEqual([[], 1500]);
    expect(choose(1500, tasks, 20)).toEqual([]);
    told.fetch(1500, there({}, [{}]));
    const taken = choose(1500, tasks, 20).map((effect) => effect.do === 'start' && effect.claimFirst);
    expect([taken.length > 0 && taken.length < 20, taken.every(Boolean)]).toEqual([true, true]);
    const later = tasks.map((task) => `later ${task}`);
    const sure = choose(1600, later, 20).map((effect) => effect.do === 'start' && effect.claimFirst);
    expect([sure.length > 0 && sure.length < 20, sure.some(Boolean)]).toEqual([true, false]);
  });

  test('as long as they are claimed first and nobody else is there, some are claimed ahead of room', () => {
    const ahead = (task: string) => ({ ...start(task, true), isAhead: true });
    told.facts = { saysPresence: true };
    told.fetch(0);
    told.pushed(100, 100, [said]);
    const many = ['a', 'b', 'c', 'd'];
    expect(choose(200, many, 1, [], 2)).toEqual([start('a', true), ahead('b'), ahead('c')]);
    expect(choose(200, many, 0, [], 1)).toEqual([ahead('a')]);
    // A cancelled one has no use for a claim.
    expect(choose(200, many, 0, ['a'], 1, 200, 0)).toEqual([ahead('b')]);
    // A new one falls to this agent alone, so there is nothing to claim first, nor ahead.
    expect(choose(210, [...many, 'new'], 5, [], 2).at(-1)).toEqual(start('new', false));
    expect(choose(220, ['new'], 0, [], 2)).toEqual([]);
    // Another has come.
    told.fetch(300, there({}, [{}]));
    expect(choose(2400, many, 0, [], 2)).toEqual([]);
    // All know of each other.
    told.fetch(5200);
    expect(choose(5200, many, 1, [], 2)).toEqual([start('a', false)]);
  });

  test('one whose claim is ours already starts at once, whoever it falls to', () => {
    told.fetch(
      0,
      there({ t: { of: SELF, untilMs: 50_000 } }, [{}, { agent: 'cellar-pc', session: '3'.repeat(16) }]),
    );
    expect(choose(0, ['t'])).toEqual([start('t', false)]);
  });
});

describe('what a task is at', () => {
  const phase = (task: string, phase: 'waiting' | 'loading' | 'generating', model?: string): ClaimsEvent => ({
    type: 'phase',
    task,
    phase,
    model,
  });

  /** An agent that said at 0 that it is there, and is alone. */
  beforeEach(() => {
    told.facts = { saysPresence: true };
    told.fetch(0);
    told.at(0, { type: 'ready', offer: offering() });
    told.push(0);
    told.pushed(0, 0, [said]);
  });

  test('goes along with the first claim of the task, and not with its renewals', () => {
    told.at(1000, { type: 'began', task: 'a', claimFirst: false });
    expect(told.state.work.get('a')).toEqual({ phase: 'waiting', sinceMs: SERVER + 1000, model: undefined });
    told.at(1100, phase('a', 'loading', 'llama3.2'));
    expect(told.push(1200)).toEqual([{ kind: 'presence' }, claim('a')]);
    // Of others it is known enough: nobody is asked because of it.
    expect(told.pushed(1200, 1300, [said, made('a', 'c')])).toEqual([goOn('a')]);
    expect(told.state.work.get('a')).toEqual({ phase: 'loading', sinceMs: SERVER + 1000, model: 'llama3.2' });
    expect(told.push(1200 + LEASE_MS / 3)).toEqual([claim('a')]);
  });

  test('is said once it has lasted for a while, at most every five seconds, and is forgotten at the end', () => {
    told.at(1000, { type: 'began', task: 'a', claimFirst: false });
    told.at(1000, phase('a', 'loading', 'llama3.2'));
    told.push(1200);
    told.pushed(1200, 1200, [said, made('a', 'c')]);
    told.at(1500, phase('a', 'generating'));
    // The last word was at 1200.
    expect(told.push(6199)).toBeNull();
    expect(told.push(6200)).toEqual([{ kind: 'presence' }]);
    expect(told.pushed(6200, 6200, [said])).toEqual([]);
    expect(told.state.work.get('a')).toMatchObject({ phase: 'generating', model: 'llama3.2' });
    told.at(12_000, phase('a', 'waiting'));
    expect(told.push(13_999)).toBeNull();
    expect(told.push(14_000)).toEqual([{ kind: 'presence' }]);
    told.at(15_000, { type: 'ended', task: 'a' });
    expect(told.state.work.size).toBe(0);
    told.at(15_001, phase('a', 'generating'));
    expect(told.state.work.size).toBe(0);
    // The word of every two minutes looks for others as well.
    told.pushed(14_000, 14_000, [said]);
    expect(told.push(134_000)).toEqual([{ kind: 'presence' }, end('a')]);
    expect(told.pushed(134_000, 134_000, [said])).toEqual([ask('look')]);
  });

  test('is told soon after a word that was on its way when it began', () => {
    told.at(1000, { type: 'began', task: 'a', claimFirst: false });
    told.push(1200);
    told.pushed(1200, 1300, [said, made('a', 'c')]);
    told.at(5000, phase('a', 'waiting'));
    expect(told.push(7000)).toEqual([{ kind: 'presence' }]);
    told.at(7500, phase('a', 'loading', 'llama3.2'));
    told.pushed(7000, 10_000, [said]);
    // At most every five seconds, here too.
    expect(told.push(11_999)).toBeNull();
    expect(told.push(12_000)).toEqual([{ kind: 'presence' }]);
  });

  test('that a task is queued behind those of other bridges is said soon, once, and taken back', () => {
    const queued = (task: string | null) => ({ type: 'queued', task }) as const;
    told.at(10_000, queued('a'));
    told.at(10_500, queued('a'));
    expect(told.push(11_999)).toBeNull();
    expect(told.push(12_000)).toEqual([{ kind: 'presence' }]);
    told.pushed(12_000, 12_000, [said]);
    // Busy for one is busy for the next.
    told.at(20_000, queued('b'));
    expect(told.state.queued).toEqual({ task: 'b', sinceMs: SERVER + 10_000 });
    expect(told.push(30_000)).toBeNull();
    told.at(30_000, queued(null));
    expect(told.push(31_999)).toBeNull();
    expect(told.push(32_000)).toEqual([{ kind: 'presence' }]);
    expect(told.state.queued).toBeNull();
  });

  test('asks the model servers anew where one works that was away, and not where they are known', () => {
    const readOffer = { do: 'read-offer' };
    told.at(1000, { type: 'began', task: 'a', claimFirst: false });
    expect(told.at(1100, phase('a', 'loading', 'llama3.2'))).toEqual([]);
    told.at(2000, { type: 'ready', offer: { ...offering(), backends: [], silent: ['ollama'] } });
    expect(told.at(2100, phase('a', 'waiting'))).toEqual([]);
    expect(told.at(9000, phase('a', 'loading', 'llama3.2'))).toEqual([readOffer]);
    told.at(9100, { type: 'ready', offer: offering(['llama3.2']) });
    expect(told.at(9200, phase('a', 'generating'))).toEqual([]);
  });

  test('is said by nobody who says no presence: agent --once', () => {
    told = new Told();
    told.fetch(0);
    told.at(1000, { type: 'began', task: 'a', claimFirst: false });
    told.at(1000, phase('a', 'loading', 'llama3.2'));
    expect(told.push(1200)).toEqual([claim('a')]);
  });
});

describe('which model a task names', () => {
  const AWAY = 'attic-pc';
  const having = (
    agents: Record<string, readonly string[]>,
    presences: readonly Partial<Presence>[] = [],
  ) => ({
    ...there({}, presences),
    models: new Map(
      Object.entries(agents).map(([agent, names]) => {
        const models = names.map((name) => ({ name, backend: 'ollama', can: [] }));
        const said: AgentModels = { agent, at: new Date(SERVER).toISOString(), models };
        return [agent, { id: `${agent} has ${names.join()}`, models: said }] as const;
      }),
    ),
  });
  const choose = (
    nowMs: number,
    model: string,
    free: readonly string[] = ['t'],
    seenMs = nowMs,
    left: readonly string[] | null = free,
  ) =>
    told.at(nowMs, {
      ...{ type: 'choosing', free, left, room: 99, ahead: 0, cancelled: 0, isCancelled: () => false },
      ...{ wants: () => ({ model }), seenMs: () => seenMs },
    });
  const started = (effects: readonly ClaimsEffect[]) =>
    effects.flatMap((one) => (one.do === 'start' ? [one.task] : []));
  const logged = (effects: readonly ClaimsEffect[]) =>
    effects.flatMap((one) => (one.do === 'log' ? [one.text] : []));

  beforeEach(() => {
    told.facts = { saysPresence: true, sharesModels: true };
  });

  test('leaves the task to the agent that has it, present or not, and says so once', () => {
    told.fetch(0, having({ [AWAY]: ['qwen3:8b'] }));
    told.at(0, { type: 'ready', offer: offering(['llama3.2:latest']) });
    const first = choose(1, 'qwen3:8b');
    expect([started(first), logged(first)]).toEqual([[], ['task t: left to attic-pc, which has qwen3:8b']]);
    expect(choose(2, 'qwen3:8b')).toEqual([]);
    // As the last time: nothing is told, and the task stays left.
    expect(choose(2, 'qwen3:8b', [], 2, null)).toEqual([]);
    expect(told.state.leftTo.has('t')).toBe(true);
    // It waits for no time of ours, and an agent with --once may end.
    expect([lookAgainMs(told.state, told.now()), told.state.isHoldingOff]).toEqual([NEVER, false]);
    expect(started(choose(3, 'llama3.2'))).toEqual(['t']);
  });

  test("is nobody's where nobody lists it, so that a typo is answered at once", () => {
    told.fetch(0, having({ [AWAY]: ['qwen3:8b'] }));
    told.at(0, { type: 'ready', offer: offering(['llama3.2:latest']) });
    expect(started(choose(1, 'qwen3:8b-typo'))).toEqual(['t']);
  });

  test('is looked for here as well as long as it is not known what this agent has', () => {
    told.fetch(0, having({ [AWAY]: ['qwen3:8b'] }));
    expect(started(choose(1, 'qwen3:8b'))).toEqual(['t']);
    told.at(2, { type: 'ready', offer: { ...offering(), backends: [], silent: ['ollama'] } });
    expect(started(choose(3, 'qwen3:8b'))).toEqual(['t']);
  });

  test('is had while its model server is away, too', () => {
    told.fetch(0, having({ [SELF.agent]: ['qwen3:8b'], [AWAY]: ['qwen3:8b'] }));
    told.at(0, { type: 'ready', offer: { ...offering(), backends: [], silent: ['ollama'] } });
    expect(started(choose(1, 'qwen3:8b'))).toEqual(['t']);
    told.at(2, { type: 'ready', offer: offering(['llama3.2:latest']) });
    expect(started(choose(3, 'qwen3:8b'))).toEqual([]);
  });

  test('comes back to this agent when it has it, and when nobody lists it any more', () => {
    told.fetch(0, having({ [AWAY]: ['qwen3:8b'] }));
    told.at(0, { type: 'ready', offer: offering(['llama3.2:latest']) });
    expect(started(choose(1, 'qwen3:8b'))).toEqual([]);
    // The loop of the agent is woken for it.
    expect(told.at(2, { type: 'ready', offer: offering(['qwen3:8b']) })).toEqual([ask('look')]);
    expect(started(choose(3, 'qwen3:8b'))).toEqual(['t']);
    told.at(4, { type: 'ready', offer: offering([]) });
    told.fetch(5, having({ [AWAY]: [] }));
    expect(started(choose(6, 'qwen3:8b'))).toEqual(['t']);
  });

  test('shares tasks that came back as if they had just come, so that not all agents begin them at once', () => {
    told.fetch(0, having({ [AWAY]: ['qwen3:8b'] }, [{}]));
    told.at(0, { type: 'ready', offer: offering([]) });
    told.pushed(100, 100, [said]);
    const tasks = Array.from({ length: 20 }, (_, n) => `task ${n}`);
    expect(started(choose(200, 'qwen3:8b', tasks))).toEqual([]);
    told.fetch(30_000, having({ [AWAY]: [] }, [{}]));
    const ours = started(choose(30_000, 'qwen3:8b', tasks, 200));
    expect([ours.length > 0, ours.length < tasks.length]).toEqual([true, true]);
    expect(lookAgainMs(told.state, told.now())).toBe(32_000);
  });

  test('is for anybody where the server takes no claims any more', () => {
    told.fetch(0, having({ [AWAY]: ['qwen3:8b'] }));
    told.at(0, { type: 'ready', offer: offering([]) });
    told.state = { ...told.state, isOff: true };
    expect(started(choose(1, 'qwen3:8b'))).toEqual(['t']);
  });

  test('in memory elsewhere lets that agent go first, and this one later', () => {
    const models = { [SELF.agent]: ['qwen3:8b'], [AWAY]: ['qwen3:8b'] };
    const tasks = Array.from({ length: 20 }, (_, n) => `task ${n}`);
    told.pushed(-2000, -2000, [said]);
    told.fetch(0, having(models, [{ loaded: ['qwen3:8b'] }]));
    told.at(0, { type: 'ready', offer: offering(['qwen3:8b']) });
    expect(started(choose(1, 'qwen3:8b', tasks))).toEqual([]);
    told.fetch(2500, having(models, [{ loaded: ['qwen3:8b'] }]));
    expect(started(choose(2500, 'qwen3:8b', tasks)).toSorted()).toEqual(tasks.toSorted());
    // What this agent has in memory counts once the others know of it.
    told.at(3000, { type: 'loaded', offer: offering(['qwen3:8b'], { loaded: ['qwen3:8b'] }) });
    told.fetch(3000, having(models, [{}]));
    const share = started(
      choose(
        3000,
        'qwen3:8b',
        tasks.map((task) => `${task} later`),
      ),
    );
    expect(share.length).toBeLessThan(tasks.length);
    told.pushed(3000, 3000, [{ ...said, loaded: ['qwen3:8b'] }]);
    const later = tasks.map((task) => `${task} at last`);
    expect(started(choose(3000, 'qwen3:8b', later)).toSorted()).toEqual(later.toSorted());
  });

  test('is said again soon where it did not arrive with its presence', () => {
    told.fetch(0);
    told.at(0, { type: 'ready', offer: offering(['a']) });
    told.push(0);
    const list: PushedChange = { kind: 'models', ref: modelsRef(SELF.agent), to: 'list', from: null };
    told.pushed(0, 500, [said, list], [list.ref]);
    expect(told.nextPushMs()).toBe(1500);
    expect(told.push(1500)).toEqual([{ kind: 'presence' }, { kind: 'models' }]);
  });

  test('is said beside the presence, when it changes and not again', () => {
    told.fetch(0);
    told.at(0, { type: 'ready', offer: offering(['b', 'a']) });
    expect(told.push(0)).toEqual([{ kind: 'presence' }, { kind: 'models' }]);
    const models: AgentModels = { agent: SELF.agent, at: '', models: [...offering(['a', 'b']).models] };
    const pushed = { kind: 'models', ref: modelsRef(SELF.agent), to: 'list', from: null, models } as const;
    told.pushed(0, 0, [said, pushed]);
    expect(told.state.own.remote.get(modelsRef(SELF.agent))).toBe('list');
    told.at(1, { type: 'ready', offer: offering(['a', 'b']) });
    expect(told.push(1)).toEqual([{ kind: 'presence' }]);
    told.at(2, { type: 'ready', offer: offering(['a']) });
    expect(told.push(2)).toEqual([{ kind: 'presence' }, { kind: 'models' }]);
    // A server that does not take it is sent none; nor where another run has said the same.
    told.facts = { saysPresence: true, sharesModels: false };
    told.at(2, { type: 'ready', offer: offering(['a']) });
    expect(told.push(2)).toEqual([{ kind: 'presence' }]);
    told.facts = { saysPresence: true, sharesModels: true };
    told.fetch(3, {
      ...there(),
      models: new Map([[SELF.agent, { id: 'x', models: { ...models, models: models.models.slice(0, 1) } }]]),
    });
    told.at(3, { type: 'ready', offer: offering(['a']) });
    expect(told.push(3)).toEqual([{ kind: 'presence' }]);
  });

  test('that cannot be said is no news each time', () => {
    told.fetch(0);
    told.at(0, { type: 'ready', offer: offering(['a', 'bad\nname']) });
    expect(told.push(0)).toEqual([{ kind: 'presence' }, { kind: 'models' }]);
    const models: AgentModels = { agent: SELF.agent, at: '', models: [...offering(['a']).models] };
    told.pushed(0, 0, [said, { kind: 'models', ref: modelsRef(SELF.agent), to: 'list', from: null, models }]);
    told.at(1, { type: 'ready', offer: offering(['a', 'bad\nname']) });
    expect(told.push(1)).toEqual([{ kind: 'presence' }]);
  });

  test('and was in memory changes nothing that is pushed at once', () => {
    told.fetch(0);
    told.at(0, { type: 'ready', offer: offering(['a']) });
    told.push(0);
    told.pushed(0, 0, [said]);
    told.at(1000, { type: 'loaded', offer: offering(['a'], { loaded: ['a'] }) });
    expect(told.nextPushMs()).toBe(PRESENCE_EVERY_MS);
  });
});
