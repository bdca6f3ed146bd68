import { beforeAll, describe, expect, test } from 'vitest';
import type { Calls } from '../../../src/gateway/calls.js';
import type { GatewayCall } from '../../../src/gateway/gateway-parts.js';
import { Responses, readResponseCall } from '../../../src/gateway/stored/responses.js';
import { type CallsFixture, startCalls } from './calls-fixture.js';

type Fields = Record<string, unknown>;

const BODY = { model: 'llama3.2', input: '2+2', metadata: { chat: '7' } };

let fixture: CallsFixture;
beforeAll(async () => {
  fixture = await startCalls();
});

function callOf(body: Fields, more: Partial<GatewayCall> = {}): GatewayCall {
  return {
    ...{ path: '/v1/responses', body, token: null, idempotencyKey: null, form: 'v1' },
    ...{ wantsStream: body.stream === true, left: new AbortController().signal },
    ...more,
  };
}

async function create(
  body: Fields,
  more: Partial<GatewayCall> = {},
  calls: Calls = fixture.calls,
): Promise<Fields> {
  const response = await begin(callOf(body, more), calls);
  return (await response.json()) as Fields;
}

/** What a gateway says to a call that is to go on in the background. */
async function begin(
  call: GatewayCall,
  calls: Calls = fixture.calls,
  responses = new Responses(calls),
): Promise<Response> {
  const { isBackground, asked } = readResponseCall(call);
  if (!isBackground) throw new Error('this is no call in the background');
  const task = await calls.post({ ...asked, signal: call.left });
  return await responses.begun(task, call.wantsStream);
}

/** What a gateway says to a call below /v1/responses. */
async function get(
  path: string,
  { method = 'GET', token = null, calls = fixture.calls }: GetSettings = {},
): Promise<Response> {
  const url = new URL(`http://x/v1/responses/${path}`);
  return await new Responses(calls).answer({
    ...{ method, path: url.pathname, query: url.searchParams, token, request: new Request(url) },
  });
}

interface GetSettings {
  readonly method?: string;
  readonly token?: string | null;
  readonly calls?: Calls;
}

async function json(response: Promise<Response>): Promise<Fields> {
  return (await (await response).json()) as Fields;
}

/** The body that a model server answers with. */
function bodyOf(text: string, status = 'completed'): Fields {
  const content = [{ type: 'output_text', text, annotations: [] }];
  const output = [{ id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content }];
  return { id: 'resp_other', object: 'response', created_at: 1, status, model: 'llama3.2', output };
}

async function answer(task: string, text: string, status?: string): Promise<void> {
  await fixture.answer(task, { answer: text, response: { status: 200, body: bodyOf(text, status) } });
}

function eventsIn(text: string): Fields[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => JSON.parse(block.split('\ndata: ')[1] ?? '') as Fields);
}

const taskOf = (response: Fields) => String(response.id).slice('resp_'.length);

describe('a response in the background', () => {
  test('is queued at once, and the agent sees neither background nor store', async () => {
    const response = await create({ ...BODY, background: true, store: true });
    expect(response).toMatchObject({ object: 'response', status: 'queued', background: true, output: [] });
    expect(response).toMatchObject({ model: 'llama3.2', metadata: { chat: '7' }, error: null, tools: [] });
    const task = taskOf(response);
    const asked = JSON.parse(await fixture.bridge.git(['show', `${task}:task.json`])) as Fields;
    expect(asked).toMatchObject({ request: { path: '/v1/responses', body: BODY }, stream: true });
    expect(asked.metadata).toEqual({ background: 'true', gateway: 'test' });
    const marked = readResponseCall(callOf({ ...BODY, background: true }, { metadata: { of: 'a program' } }));
    expect(marked.asked.metadata).toEqual({ background: 'true', of: 'a program' });
  });

  test('is what the record says, also for another gateway and after a restart', async () => {
    const { id } = await create({ ...BODY, background: true });
    const again = await fixture.again({ gateway: 'another' });
    expect(await json(get(String(id), { calls: again }))).toMatchObject({ id, status: 'queued' });
    await answer(taskOf({ id }), '4');
    for (const calls of [fixture.calls, again]) {
      const done = await json(get(String(id), { calls }));
      expect(done).toMatchObject({ id, status: 'completed', background: true, metadata: { chat: '7' } });
      expect(done).toMatchObject({ output: [{ content: [{ text: '4' }] }] });
    }
  });

  test.each([
    ['incomplete', { response: { status: 200, body: bodyOf('4', 'incomplete') }, answer: '4' }, null],
    [
      'failed',
      { answer: null, error: { code: 'timeout', message: 'it took too long' } },
      { code: 'timeout', message: expect.stringContaining('it took too long') },
    ],
    ['cancelled', { answer: null, error: { code: 'cancelled', message: 'cancelled by bot' } }, null],
  ])('ends as %s', async (status, more, error) => {
    const { id } = await create({ ...BODY, background: true });
    await fixture.answer(taskOf({ id }), more);
    expect(await json(get(String(id)))).toMatchObject({ status, error });
  });

  test('lives on when its gateway starts again and no client comes', async () => {
    const { id } = await create({ ...BODY, background: true });
    const again = await fixture.again({ lingerMs: 1 });
    // A call that does wait for a client is cancelled in the same time.
    const lost = await fixture.calls.open({ ...callOf({ input: 'lost' }), idempotencyKey: null });
    lost.leave();
    const third = await fixture.again({ lingerMs: 1 });
    await expect.poll(fixture.subjects, { timeout: 10_000 }).toContainEqual(expect.stringMatching(/^cancel/));
    expect(again.counts().tasks + third.counts().tasks).toBe(0);
    expect(await json(get(String(id)))).toMatchObject({ status: 'queued' });
  });

  test('is asked once by one Idempotency-Key, of each token, and the key of another call is 422', async () => {
    const body = { ...BODY, input: 'asked again', background: true };
    const once = { idempotencyKey: 'job-1' };
    const both = await Promise.all([create(body, once), create(body, once)]);
    const later = await create(body, once);
    expect(new Set([...both, later].map(({ id }) => id)).size).toBe(1);

    expect((await create(body, { ...once, token: 'other' })).id).not.toBe(later.id);
    expect((await create(body)).id).not.toBe(later.id);
    await expect(create({ ...body, input: 'another' }, once)).rejects.toMatchObject({
      ...{ status: 422, code: 'idempotency_key_reused' },
    });
  });

  test('is asked once by one Idempotency-Key also where the gateway was started again between', async () => {
    const body = { ...BODY, input: 'asked before the restart', background: true };
    const { id } = await create(body, { idempotencyKey: 'job-2' });
    const restarted = await fixture.again();
    const again = (input: string) => create({ ...body, input }, { idempotencyKey: 'job-2' }, restarted);

    expect(await again(body.input)).toMatchObject({ id });
    expect(await again(body.input)).toMatchObject({ id });
    await expect(again('another')).rejects.toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });

  test('is another call than one that is waited for: the key of either is 422 for the other', async () => {
    const reused = { status: 422, code: 'idempotency_key_reused' };
    const wait = (input: string, idempotencyKey: string, calls: Calls = fixture.calls) => {
      const { asked } = readResponseCall(callOf({ ...BODY, input }, { idempotencyKey }));
      return calls.open({ ...asked, signal: asked.left });
    };
    const post = (input: string, idempotencyKey: string, calls: Calls = fixture.calls) =>
      create({ ...BODY, input, background: true }, { idempotencyKey }, calls);
    await post('begun without a client', 'job-4');
    await wait('begun with a client', 'job-5');
    const together = await Promise.allSettled([
      ...[wait('at once', 'job-6'), post('at once', 'job-6')],
      ...[post('at once again', 'job-7'), wait('at once again', 'job-7')],
    ]);

    for (const calls of [fixture.calls, await fixture.again()]) {
      await expect(wait('begun without a client', 'job-4', calls)).rejects.toMatchObject(reused);
      await expect(wait('another', 'job-4', calls)).rejects.toMatchObject(reused);
      await expect(post('begun with a client', 'job-5', calls)).rejects.toMatchObject(reused);
    }
    for (const pair of [together.slice(0, 2), together.slice(2)])
      expect(pair.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('keeps what its client forbids across a restart: the same key joins it, and is another call without', async () => {
    const body = { ...BODY, input: 'read by nobody else', background: true };
    const once = { idempotencyKey: 'job-3', token: 'phone' };
    const { id } = await create(body, { ...once, localOnly: true });
    const restarted = await fixture.again();

    expect(await create(body, { ...once, localOnly: true }, restarted)).toMatchObject({ id });
    await expect(create(body, once, restarted)).rejects.toMatchObject({ status: 422 });
  });

  test('is cancelled once, and stays so', async () => {
    const { id } = await create({ ...BODY, background: true });
    const both = await Promise.all([1, 2].map(() => json(get(`${id}/cancel`, { method: 'POST' }))));
    expect(both).toMatchObject([{ status: 'cancelled' }, { status: 'cancelled' }]);
    expect(await json(get(`${id}/cancel`, { method: 'POST' }))).toMatchObject({ id, status: 'cancelled' });
  });

  test('that is over is not cancelled any more', async () => {
    const { id } = await create({ ...BODY, background: true });
    await answer(taskOf({ id }), '4');
    expect(await json(get(`${id}/cancel`, { method: 'POST' }))).toMatchObject({ id, status: 'completed' });
  });
});

describe('its events', () => {
  test('are replayed from the record, numbered from 0, and from any number on', async () => {
    const { id } = await create({ ...BODY, background: true });
    await answer(taskOf({ id }), '4');
    const text = await (await get(`${id}?stream=true`)).text();
    const events = eventsIn(text);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
    expect(events[0]).toMatchObject({ type: 'response.created', response: { id, status: 'queued' } });
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { id, background: true } });
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'response.output_text.delta', delta: '4' }),
    );
    const rest = eventsIn(await (await get(`${id}?stream=true&starting_after=3`)).text());
    expect(rest).toEqual(events.slice(4));
    // A number of a stream that had more events: nothing is missed, and the numbers go on.
    const last = eventsIn(await (await get(`${id}?stream=true&starting_after=500`)).text());
    expect(last).toMatchObject([{ type: 'response.completed', sequence_number: 501, response: { id } }]);
  });

  test('come live while it is being generated, each before the next one is there', async () => {
    const { id } = await create({ ...BODY, background: true });
    const writer = fixture.say(taskOf({ id }));
    const body = (await get(`${id}?stream=true`)).body?.getReader();
    let text = '';
    const read = async (until: string) => {
      while (!text.includes(until)) text += Buffer.from((await body?.read())?.value ?? []).toString();
    };
    await read('response.queued');
    writer.write({ begin: { agent: 'home-pc', at: '2026-11-27T03:00:00.000Z' } });
    writer.write({
      event: 'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_x"}}',
    });
    writer.write({ event: 'data: {"type":"response.output_text.delta","delta":"fo","sequence_number":7}' });
    await read('"fo"');
    writer.write({ event: 'data: {"type":"response.output_text.delta","delta":"ur","sequence_number":8}' });
    writer.write({
      event: 'data: {"type":"response.completed","response":{"id":"resp_x","status":"completed"}}',
    });
    await writer.close();
    await answer(taskOf({ id }), 'four');
    await read('response.completed');
    expect((await body?.read())?.done).toBe(true);
    expect(eventsIn(text)).toMatchObject([
      { type: 'response.created', sequence_number: 0 },
      { type: 'response.queued', sequence_number: 1 },
      { delta: 'fo', sequence_number: 2 },
      { delta: 'ur', sequence_number: 3 },
      { type: 'response.completed', sequence_number: 4, response: { id } },
    ]);
  });

  test('end when it is cancelled, though no agent is there to say so', async () => {
    const responses = new Responses(fixture.calls);
    const response = await begin(
      callOf({ ...BODY, background: true, stream: true }),
      fixture.calls,
      responses,
    );
    const id = `resp_${response.headers.get('x-llm-bridge-task')}`;
    const url = new URL(`http://x/v1/responses/${id}/cancel`);
    await responses.answer({
      ...{ method: 'POST', path: url.pathname, query: url.searchParams, token: null },
      request: new Request(url, { method: 'POST' }),
    });
    const events = eventsIn(await response.text());
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'cancelled' } });
  });
});

describe('what is not to be had', () => {
  test.each([
    ['another token’s', (id: string) => [id, 'mallory'] as const],
    ['without a token', (id: string) => [id, null] as const],
    ['an id that is none', () => ['resp_../../x', 'alice'] as const],
    ['a task that is not there', () => [`resp_${'0'.repeat(40)}`, 'alice'] as const],
    ['half an id', (id: string) => [id.slice(0, 20), 'alice'] as const],
  ])('is 404: %s', async (_what, asked) => {
    const { id } = await create({ ...BODY, background: true }, { token: 'alice' });
    expect(await json(get(String(id), { token: 'alice' }))).toMatchObject({ id });
    const [path, token] = asked(String(id));
    for (const more of ['', '/cancel', '/input_items', '?stream=true'])
      await expect(get(`${path}${more}`, { token })).rejects.toMatchObject({ status: 404 });
  });

  test('is 404: a call of another API, and one with store: false', async () => {
    const chat = await fixture.calls.post({ ...callOf({ messages: [] }), path: '/v1/chat/completions' });
    await expect(get(`resp_${chat}`)).rejects.toMatchObject({ status: 404 });
    const kept = readResponseCall(callOf({ ...BODY, store: false }));
    expect(kept).toMatchObject({ isBackground: false, asked: { body: BODY, metadata: { store: 'false' } } });
    const task = await fixture.calls.post(kept.asked);
    await expect(get(`resp_${task}`)).rejects.toMatchObject({ status: 404 });
  });

  test.each([
    [{ background: true, store: false }, 'store'],
    [{ background: 'yes' }, 'background'],
    [{ store: 1 }, 'store'],
  ])('is 400: %j', async (more, param) => {
    await expect(create({ ...BODY, ...more })).rejects.toMatchObject({ status: 400, param });
  });

  test('is told: DELETE, a bad number, a cancel of what has a client', async () => {
    const { id } = await create({ ...BODY, background: true });
    await expect(get(String(id), { method: 'DELETE' })).rejects.toMatchObject({ status: 501 });
    await expect(get(`${id}?stream=true&starting_after=x`)).rejects.toMatchObject({ status: 400 });
    const task = await fixture.calls.post(callOf(BODY));
    await expect(get(`resp_${task}/cancel`, { method: 'POST' })).rejects.toMatchObject({ status: 400 });
  });
});

test('the input is a list of items, from either end, in pieces', async () => {
  const input = [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'two' },
    { type: 'function_call_output', call_id: 'c', output: 'three' },
  ];
  const { id } = await create({ ...BODY, input, background: true });
  const all = (await json(get(`${id}/input_items`))) as { data: Fields[] };
  expect(all).toMatchObject({ object: 'list', has_more: false, data: [{ output: 'three' }, {}, {}] });
  const first = await json(get(`${id}/input_items?order=asc&limit=1`));
  expect(first).toMatchObject({ has_more: true, data: [{ content: [{ type: 'input_text', text: 'one' }] }] });
  const next = await json(get(`${id}/input_items?order=asc&limit=1&after=${first.last_id}`));
  expect(next).toMatchObject({ data: [{ content: [{ type: 'output_text', text: 'two' }] }] });
  await expect(get(`${id}/input_items?limit=0`)).rejects.toMatchObject({ status: 400 });
  await expect(get(`${id}/input_items?after=item_of_nothing`)).rejects.toMatchObject({ status: 400 });
  await expect(get(`${id}/input_items?order=sideways`)).rejects.toMatchObject({ status: 400 });
});
