import { describe, expect, test, vi } from 'vitest';
import type { FoundAnswer } from '../../../src/asker/find-answer.js';
import { Call } from '../../../src/gateway/call.js';
import { draftCancel } from '../../../src/gateway/call-drafts.js';
import type { CallEvent } from '../../../src/gateway/live-call.js';
import { modelsRef, writeModels } from '../../../src/protocol/models.js';
import type { StreamPiece } from '../../../src/protocol/stream.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { waitUntil } from '../../support/wait-until.js';
import { chat, eventsOf, startCalls } from './calls-fixture.js';

const BEGIN: StreamPiece = { begin: { agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' } };

/** The answer that comes last, in short. */
function answerIn(events: readonly CallEvent[]): { answer: string | null; isWhole: boolean } | undefined {
  const last = events.at(-1);
  return last !== undefined && 'answer' in last
    ? { answer: last.answer.answer, isWhole: last.isWhole }
    : undefined;
}

describe('asking', () => {
  test('what is asked at the same time is committed together, each under its own id', async () => {
    const { calls, bridge, moves, subjects, answer } = await startCalls();
    const open = await Promise.all(Array.from({ length: 40 }, (_, at) => calls.open(chat(`question ${at}`))));
    expect(await moves()).toBe(1);
    expect(await subjects()).toEqual(Array.from({ length: 40 }, (_, at) => `ask: question ${at}`));
    for (const at of [0, 17, 39]) {
      const task = open[at]?.task ?? '';
      const json = JSON.parse(await bridge.git(['show', `${task}:task.json`]));
      const { path, body } = chat(`question ${at}`);
      expect(json).toMatchObject({ request: { path, body }, metadata: { gateway: 'test' } });
      await answer(task, { answer: `answer ${at}` });
    }
    expect(answerIn(await eventsOf(open[17] as never))?.answer).toBe('answer 17');
    expect(answerIn(await eventsOf(open[39] as never))?.answer).toBe('answer 39');
  });

  test('as many as a pack is worth are whole on main, each under its own id', async () => {
    const { calls, bridge, moves, subjects } = await startCalls();
    const long = 'word '.repeat(5_000);
    const open = await Promise.all(
      Array.from({ length: 60 }, (_, at) => calls.open(chat(`question ${at} ${at % 7 === 0 ? long : ''}`))),
    );
    expect(await moves()).toBe(1);
    expect((await subjects()).map((one) => /^ask: question (\d+)/.exec(one)?.[1])).toEqual(
      open.map((_, at) => `${at}`),
    );
    expect(await bridge.git(['count-objects', '-v'])).toMatch(/in-pack: 180\npacks: 1\n/);
    expect(await bridge.git(['fsck', '--strict', '--full'])).toBe('');
    const json = JSON.parse(await bridge.git(['show', `${open[35]?.task}:task.json`]));
    expect(json.request.body).toEqual(chat(`question 35 ${long}`).body);
  });

  test('the token and the key stand in the record, and a stream is asked for only where one is wanted', async () => {
    const { calls, bridge } = await startCalls();
    const loud = await calls.open(chat('aloud', { token: 'phone', idempotencyKey: 'k1', wantsStream: true }));
    const plain = await calls.open(chat('plain'));
    const json = async (task: string) => JSON.parse(await bridge.git(['show', `${task}:task.json`]));
    expect(await json(loud.task)).toMatchObject({
      stream: true,
      metadata: { gateway: 'test', token: 'phone', idempotency_key: 'k1' },
    });
    expect(await json(plain.task)).not.toHaveProperty('stream');
    expect((await json(plain.task)).metadata).toEqual({ gateway: 'test' });
  });

  test('a task that is larger than the bridge takes, or is no task, is refused and asked nowhere', async () => {
    const { calls, moves } = await startCalls();
    const large = chat('x'.repeat(9 * 1024 * 1024));
    await expect(calls.open(large)).rejects.toMatchObject({ status: 413 });
    await expect(calls.open(chat('half \ud800'))).rejects.toMatchObject({ status: 400 });
    expect(await moves()).toBe(0);
    expect(calls.counts()).toEqual({ tasks: 0, clients: 0 });
  });

  test('a limit that the owner changes holds for the next call', async () => {
    const { calls, bridge } = await startCalls();
    const long = () => calls.open(chat('x'.repeat(2_000)));
    await long();
    await bridge.git(['config', 'bridge.maxTaskBytes', '1024']);
    await expect(long()).rejects.toMatchObject({ status: 413 });
    expect((await calls.terms()).maxTaskBytes).toBe(1024);
    await bridge.git(['config', 'bridge.maxTaskBytes', '4096']);
    await long();
    expect(calls.counts().tasks).toBe(2);
  });

  test('one more than may wait is turned away', async () => {
    const { calls } = await startCalls({ maxCalls: 2 });
    await calls.open(chat('one'));
    await calls.open(chat('two'));
    await expect(calls.open(chat('three'))).rejects.toMatchObject({ status: 429, retryAfterS: 5 });
  });

  test('a model that no agent has is told at once, and one of an agent that is away is waited for', async () => {
    const { calls, bridge, again } = await startCalls();
    const wants = (model: string) =>
      chat('hm', { body: { model, messages: [{ role: 'user', content: 'hm' }] } });
    // Nobody has said anything yet: whoever comes may have it.
    await calls.open(wants('gpt-oss:120b'));
    const models = writeModels({
      ...{ agent: 'home-pc', at: '2026-11-26T21:00:00.000Z' },
      models: [{ name: 'llama3.2:latest', backend: 'ollama', can: ['chat'] }],
    });
    const blob = await bridge.git(['hash-object', '-w', '--stdin'], models);
    await bridge.git(['update-ref', modelsRef('home-pc'), blob]);
    const later = await again();
    expect((await later.who()).models.size).toBe(1);
    await later.open(wants('llama3.2'));
    await expect(later.open(wants('lama3.2'))).rejects.toMatchObject({ status: 404, param: 'model' });
  });
});

describe('streams', () => {
  test('events come as they are said, a second generation is told, and the answer comes last', async () => {
    const { calls, say, answer } = await startCalls();
    const call = await calls.open(chat('count', { wantsStream: true }));
    const events = call.events[Symbol.asyncIterator]();
    const first = say(call.task);
    first.write(BEGIN);
    first.write({ event: 'data: one' });
    expect((await events.next()).value).toEqual({ event: 'data: one' });
    const second = say(call.task);
    for (const piece of [{ begin: { agent: 'other', at: BEGIN.begin.at } }, { event: 'data: two' }])
      second.write(piece);
    expect((await events.next()).value).toEqual({ restart: true });
    expect((await events.next()).value).toEqual({ event: 'data: two' });
    // The answer is on main before the last of the stream is read.
    await answer(call.task);
    second.write({ event: 'data: [DONE]' });
    second.write({ end: true });
    expect((await events.next()).value).toEqual({ event: 'data: [DONE]' });
    expect((await events.next()).value).toMatchObject({ answer: { answer: '4' }, isWhole: true });
    expect((await events.next()).done).toBe(true);
  });

  test('where the stream broke off the answer says so, and so does one without a stream', async () => {
    const { calls, say, answer } = await startCalls();
    const broken = await calls.open(chat('broken', { wantsStream: true }));
    const silent = await calls.open(chat('silent', { wantsStream: true }));
    const writer = say(broken.task);
    writer.write(BEGIN);
    writer.write({ event: 'data: one' });
    const heard = eventsOf(broken);
    await writer.close();
    await answer(broken.task);
    await answer(silent.task);
    expect(await heard).toMatchObject([{ event: 'data: one' }, { isWhole: false }]);
    expect(answerIn(await eventsOf(silent))).toEqual({ answer: '4', isWhole: false });
  });

  test('the rest of a stream is waited for as long as it comes, also long after the answer', async () => {
    vi.useFakeTimers();
    onCleanup(() => void vi.useRealTimers());
    const call = new Call({ waitMs: 1e6, lingerMs: 1e6, abandoned: () => {} }, 'content', null);
    onCleanup(() => call.close());
    const joining = call.join(false);
    call.asked('a'.repeat(40));
    const live = await joining;
    call.take(BEGIN);
    call.answered({ answer: { error: null } } as FoundAnswer);
    for (const at of [1, 2, 3, 4]) {
      vi.advanceTimersByTime(1_500);
      call.take({ event: `data: ${at}` });
    }
    call.take({ end: true });
    const events = await eventsOf(live);
    expect(events.slice(0, 4)).toEqual([1, 2, 3, 4].map((at) => ({ event: `data: ${at}` })));
    expect(events.slice(4)).toMatchObject([{ isWhole: true }]);
  });

  test('who comes back hears the stream from its beginning', async () => {
    const { calls, say, answer } = await startCalls();
    const asked = chat('count', { wantsStream: true });
    const call = await calls.open(asked);
    const writer = say(call.task);
    writer.write(BEGIN);
    writer.write({ event: 'data: one' });
    for await (const event of call.events) {
      expect(event).toEqual({ event: 'data: one' });
      break;
    }
    call.leave();
    writer.write({ event: 'data: two' });
    const back = await calls.open(asked);
    expect(back).toMatchObject({ task: call.task, isJoined: true });
    writer.write({ end: true });
    await writer.close();
    await answer(call.task);
    expect(await eventsOf(back)).toMatchObject([
      { event: 'data: one' },
      { event: 'data: two' },
      { isWhole: true },
    ]);
  });
});

test('who comes back to a second generation hears nothing of the first one', async () => {
  const { calls, say, answer } = await startCalls();
  const asked = chat('count', { wantsStream: true });
  const call = await calls.open(asked);
  const events = call.events[Symbol.asyncIterator]();
  const writer = say(call.task);
  for (const piece of [BEGIN, { event: 'data: old' }, BEGIN, { event: 'data: new' }]) writer.write(piece);
  for (const expected of [{ event: 'data: old' }, { restart: true }, { event: 'data: new' }])
    expect((await events.next()).value).toEqual(expected);
  call.leave();
  const back = await calls.open(asked);
  expect(back.isJoined).toBe(true);
  writer.write({ end: true });
  await writer.close();
  await answer(call.task);
  expect(await eventsOf(back)).toMatchObject([{ event: 'data: new' }, { isWhole: true }]);
});

describe('leaving and coming back', () => {
  test('the same question joins a task that nobody listens to, and no other', async () => {
    const { calls } = await startCalls();
    const first = await calls.open(chat('hm', { token: 'a' }));
    const beside = await calls.open(chat('hm', { token: 'a' }));
    expect(beside).toMatchObject({ isJoined: false });
    expect(beside.task).not.toBe(first.task);
    first.leave();
    expect((await calls.open(chat('hm', { token: 'b' }))).isJoined).toBe(false);
    expect((await calls.open(chat('hm!', { token: 'a' }))).isJoined).toBe(false);
    expect((await calls.open(chat('hm', { token: 'a', path: '/api/chat' }))).isJoined).toBe(false);
    expect(await calls.open(chat('hm', { token: 'a' }))).toMatchObject({ task: first.task, isJoined: true });
    expect((await calls.open(chat('hm', { token: 'a' }))).isJoined).toBe(false);
  });

  test.each([
    ['x-llm-bridge-local-only', { localOnly: true }],
    ['store: false', { metadata: { store: 'false' } }],
  ])('%s makes it another call, also for a gateway that was started again', async (_what, more) => {
    const { calls, again } = await startCalls();
    const [plain, marked] = [await calls.open(chat('hm')), await calls.open(chat('hm', more))];
    plain.leave();
    expect((await calls.open(chat('hm', more))).isJoined).toBe(false);
    await calls.close();
    const later = await again();
    const found = await Promise.all([later.open(chat('hm', more)), later.open(chat('hm'))]);
    expect(found.map(({ isJoined }) => isJoined)).toEqual([true, true]);
    expect(found[0].task).not.toBe(plain.task);
    expect(found[1].task).toBe(plain.task);
    expect([marked.task, found[0].task]).not.toContain(plain.task);
  });

  test('the order of the fields does not matter, that of the messages does', async () => {
    const { calls } = await startCalls();
    const turn = (...words: string[]) => words.map((content) => ({ role: 'user', content }));
    const first = await calls.open(chat('', { body: { temperature: 0, messages: turn('a', 'b') } }));
    first.leave();
    const other = await calls.open(chat('', { body: { messages: turn('b', 'a'), temperature: 0 } }));
    expect(other.isJoined).toBe(false);
    const same = await calls.open(chat('', { body: { messages: turn('a', 'b'), temperature: 0 } }));
    expect(same.isJoined).toBe(true);
  });

  test('an Idempotency-Key joins a task that somebody listens to, also after its answer; not for another call', async () => {
    const { calls, answer } = await startCalls();
    const first = await calls.open(chat('hm', { idempotencyKey: 'k' }));
    const second = await calls.open(chat('hm', { idempotencyKey: 'k' }));
    expect(second).toMatchObject({ task: first.task, isJoined: true });
    await expect(calls.open(chat('other', { idempotencyKey: 'k' }))).rejects.toMatchObject({ status: 422 });
    expect((await calls.open(chat('hm', { idempotencyKey: 'k', token: 'x' }))).isJoined).toBe(false);
    await answer(first.task);
    expect(answerIn(await eventsOf(first))?.answer).toBe('4');
    first.leave({ delivered: true });
    second.leave({ delivered: true });
    const third = await calls.open(chat('hm', { idempotencyKey: 'k' }));
    expect(third).toMatchObject({ task: first.task, isJoined: true });
    expect(answerIn(await eventsOf(third))?.answer).toBe('4');
  });

  test('the wait is over for the client and not for the task: the retry finds the answer that came meanwhile', async () => {
    const { calls, answer, moves } = await startCalls({ waitMs: 1_500 });
    const first = await calls.open(chat('hm'));
    expect(await eventsOf(first)).toEqual([{ unanswered: 'wait' }]);
    first.leave();
    await answer(first.task);
    const retry = await calls.open(chat('hm'));
    expect(retry).toMatchObject({ task: first.task, isJoined: true });
    expect(answerIn(await eventsOf(retry))?.answer).toBe('4');
    retry.leave({ delivered: true });
    expect(await moves()).toBe(2);
    // It has been given. Asked again it is a new question.
    expect((await calls.open(chat('hm'))).isJoined).toBe(false);
  });

  test('what was cancelled is joined no more: who stops an answer and asks the same wants a new one', async () => {
    const { calls, again, answer } = await startCalls();
    const other = await again({ gateway: 'other' });
    const [here, there, keyed] = [
      await calls.open(chat('here')),
      await calls.open(chat('there')),
      await calls.open(chat('keyed', { idempotencyKey: 'k' })),
    ];
    const error = { code: 'cancelled', message: 'cancelled by bot' } as const;
    here.leave();
    keyed.leave();
    calls.cancelling(here.task);
    calls.cancelling(keyed.task);
    expect((await calls.open(chat('keyed', { idempotencyKey: 'k' }))).task).toBe(keyed.task);
    expect(await calls.open(chat('here'))).toMatchObject({ isJoined: false });
    // By somebody whom only the bridge hears.
    there.leave();
    await other.refresh();
    await other.submit({ ...draftCancel(there.task, other.view), isWanted: () => true });
    await calls.refresh();
    expect((await calls.open(chat('there'))).isJoined).toBe(false);
    // One that was answered with the cancel, for a gateway that was started again.
    await answer(here.task, { answer: null, error });
    await answer(there.task, { answer: null, error });
    await calls.close();
    const later = await again();
    const found = await Promise.all([later.open(chat('here')), later.open(chat('there'))]);
    for (const { task } of found) expect([here.task, there.task]).not.toContain(task);
  });

  test('what nobody comes back for is cancelled, once; what was answered is forgotten', async () => {
    const { calls, subjects, answer } = await startCalls({ lingerMs: 200 });
    const [left, done] = await Promise.all([calls.open(chat('left')), calls.open(chat('done'))]);
    left.leave();
    left.leave();
    await answer(done.task);
    await eventsOf(done);
    done.leave();
    const cancelled = `cancel ${left.task.slice(0, 8)}: nobody waits for it any more`;
    await waitUntil(async () => (await subjects()).includes(cancelled), 'the cancel');
    await waitUntil(() => calls.counts().tasks === 0, 'all is forgotten');
    expect((await subjects()).filter((one) => one.startsWith('cancel'))).toEqual([cancelled]);
    expect((await calls.open(chat('left'))).isJoined).toBe(false);
  });

  test('what it has cancelled itself is not counted among the open tasks any more', async () => {
    const { calls, subjects } = await startCalls({ lingerMs: 200 });
    expect(await calls.openTasks()).toBe(0);
    const [left] = await Promise.all([calls.open(chat('left')), calls.open(chat('stays'))]);
    expect(await calls.openTasks()).toBe(2);
    left.leave();
    const isCancelled = (one: string) => one.startsWith('cancel');
    await waitUntil(async () => (await subjects()).some(isCancelled), 'the cancel');
    // Another commit is behind it: by then the gateway has been told.
    await calls.open(chat('another'));
    expect(await calls.openTasks()).toBe(2);
  });

  test('a client that goes before its call is on main leaves nothing there', async () => {
    const { calls, moves } = await startCalls();
    const gone = new AbortController();
    const opening = calls.open(chat('hm', { signal: gone.signal }));
    gone.abort(new Error('gone'));
    await expect(opening).rejects.toThrow('gone');
    await calls.open(chat('other'));
    expect(await moves()).toBe(1);
    expect(calls.counts()).toEqual({ tasks: 1, clients: 1 });
  });
});

describe('started again', () => {
  test('a gateway knows its own tasks, and every retry finds its answer; of no other gateway', async () => {
    const { calls, again, answer, say, subjects } = await startCalls();
    const asked = (what: string) => chat(what, { token: 'phone', wantsStream: true });
    const [open, meanwhile, keyed] = await Promise.all([
      calls.open(asked('open')),
      calls.open(asked('meanwhile')),
      calls.open(chat('keyed', { idempotencyKey: 'k' })),
    ]);
    // As if it were killed: nothing is told to anybody.
    await calls.close();
    await answer(meanwhile.task, { answer: 'came while it was away' });
    await answer(keyed.task);
    const stranger = await again({ gateway: 'other', lingerMs: 100 });
    expect((await stranger.open(asked('open'))).isJoined).toBe(false);
    const later = await again();
    const found = await Promise.all([
      later.open(asked('open')),
      later.open(asked('meanwhile')),
      later.open(chat('keyed', { idempotencyKey: 'k' })),
    ]);
    expect(found.map(({ task }) => task)).toEqual([open.task, meanwhile.task, keyed.task]);
    expect(answerIn(await eventsOf(found[1]))?.answer).toBe('came while it was away');
    expect(answerIn(await eventsOf(found[2]))?.answer).toBe('4');
    const writer = say(open.task);
    for (const piece of [BEGIN, { event: 'data: one' }, { end: true } as const]) writer.write(piece);
    await writer.close();
    await answer(open.task, { answer: 'late' });
    expect(await eventsOf(found[0])).toMatchObject([{ event: 'data: one' }, { isWhole: true }]);
    expect((await subjects()).filter((one) => one.startsWith('cancel'))).toEqual([]);
  });

  test('what nobody comes back for is cancelled then, and is joined no more', async () => {
    const { calls, again, subjects } = await startCalls({ lingerMs: 300 });
    const left = await calls.open(chat('left'));
    await calls.close();
    const later = await again();
    expect(later.counts()).toEqual({ tasks: 1, clients: 0 });
    await waitUntil(() => later.counts().tasks === 0, 'nobody came');
    const cancel = `cancel ${left.task.slice(0, 8)}: nobody waits for it any more`;
    await waitUntil(async () => (await subjects()).includes(cancel), 'the cancel');
    await later.close();
    expect((await (await again()).open(chat('left'))).isJoined).toBe(false);
  });
});
