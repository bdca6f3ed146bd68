import { execFile } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { ApiError } from '../../../src/gateway/api-errors.js';
import { BatchCalls } from '../../../src/gateway/batches/batch-calls.js';
import { BatchFiles, FILE_LIMITS } from '../../../src/gateway/batches/batch-files.js';
import type { BatchesSettings } from '../../../src/gateway/batches/batch-work.js';
import { Batches } from '../../../src/gateway/batches/batches.js';
import type { Calls } from '../../../src/gateway/calls.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { tempDir } from '../../support/temp-dir.js';
import { type CallsFixture, startCalls } from './calls-fixture.js';

type Fields = Record<string, unknown>;

const ENDPOINT = '/v1/chat/completions';
const DAY_MS = 24 * 60 * 60 * 1000;

let fixture: CallsFixture;
beforeAll(async () => {
  fixture = await startCalls();
});

/** The batches of a gateway, and how its clients call them. */
interface Desk {
  readonly folder: string;
  readonly batches: Batches;
  call(
    method: string,
    path: string,
    more?: { body?: unknown; token?: string | null; headers?: Record<string, string> },
  ): Promise<Response>;
  json(method: string, path: string, more?: { body?: unknown; token?: string | null }): Promise<Fields>;
  /** Sends a file and makes a batch of it. */
  make(lines: readonly unknown[], more?: Fields, token?: string | null): Promise<Fields>;
}

interface DeskSettings {
  readonly folder?: string;
  readonly calls?: Calls;
  /** The bridge's clock runs ahead by this. Milliseconds. */
  readonly aheadMs?: number;
  readonly submit?: BatchesSettings['bridge']['submit'];
  readonly hasModel?: BatchesSettings['hasModel'];
  readonly minFreeBytes?: number;
  readonly maxFileBytes?: number;
}

async function openDesk(settings: DeskSettings = {}): Promise<Desk> {
  const { calls = fixture.calls, aheadMs = 0, submit, hasModel, ...limits } = settings;
  const folder = settings.folder ?? (await tempDir());
  const { terms } = calls.view;
  const view = { ...calls.view, terms: { ...terms, serverNow: () => terms.serverNow() + aheadMs } };
  const files = new BatchFiles(folder, { ...FILE_LIMITS, minFreeBytes: 0, ...limits });
  const batches = new Batches({
    bridge: { view, submit: submit ?? ((what) => calls.submit(what)), refresh: () => calls.refresh() },
    ...{ folder, gateway: 'test', asker: calls.asker },
    hasModel: hasModel ?? (async (model) => model !== 'no-such'),
    modelOf: (model) => (model === 'gpt-4o' ? 'llama3.2' : model),
    pathOf: (id) => files.pathOf(id),
    onProblem: (error) => fixture.problems.push(error),
  });
  onCleanup(() => batches.close());
  const desk = new BatchCalls(files, {
    all: () => [{ view, batches }],
    forFile: async () => ({ view, batches }),
    notFound: (message) => new ApiError(message, { status: 404, param: 'id' }),
  });
  const call: Desk['call'] = (method, path, { body, token = null, headers = {} } = {}) => {
    const url = new URL(path, 'http://x');
    const isForm = body instanceof FormData || body instanceof ReadableStream;
    const init = { method, headers, body: isForm ? body : body === undefined ? null : JSON.stringify(body) };
    const request = new Request(url, init as RequestInit);
    return desk.answer({ method, path: url.pathname, query: url.searchParams, token, request });
  };
  const json: Desk['json'] = async (...asked) => (await (await call(...asked)).json()) as Fields;
  return {
    ...{ folder, batches, call, json },
    async make(lines, more = {}, token = null) {
      const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
      const { id: input_file_id } = await json('POST', '/v1/files', { body: formOf(text), token });
      const body = { input_file_id, endpoint: ENDPOINT, completion_window: '24h', ...more };
      const batch = await json('POST', '/v1/batches', { body, token });
      await batches.settled(String(batch.id));
      return batch;
    },
  };
}

function formOf(text: string, filename = 'in.jsonl', purpose = 'batch'): FormData {
  const form = new FormData();
  form.set('purpose', purpose);
  form.set('file', new File([text], filename));
  return form;
}

function lineOf(at: number, more: Fields = {}): Fields {
  const body = { model: 'llama3.2', messages: [{ role: 'user', content: `question ${at}` }] };
  return { custom_id: `q-${at}`, method: 'POST', url: ENDPOINT, body, ...more };
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

/** The tasks of a batch that have no answer, by the id that its client gave them. */
async function openTasks(id: unknown, { bridge } = fixture): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const ids = (await bridge.git(['log', '--reverse', '--format=%H', 'main'])).trim().split('\n');
  const reader = openObjectReader(bridge);
  for (const commit of ids) {
    const blob = await reader.read(`${commit}:task.json`);
    const { metadata = {} } = JSON.parse(blob?.content.toString() ?? '{}') as { metadata?: Fields };
    const customId = String(metadata.custom_id);
    if (metadata.batch === id && !found.has(customId)) found.set(customId, commit);
  }
  reader.close();
  return found;
}

async function answer(task: string | undefined, content: string): Promise<void> {
  const body = { id: 'x', object: 'chat.completion', choices: [{ message: { content } }] };
  await fixture.answer(task ?? '', { answer: content, response: { status: 200, body } });
}

/** A batch of one line that is answered, and over. Its id. */
async function completedBatch(desk: Desk): Promise<string> {
  const { id } = await desk.make([lineOf(1)]);
  await answer((await openTasks(id)).get('q-1'), 'one');
  await expect
    .poll(() => desk.json('GET', `/v1/batches/${id}`), { timeout: 30_000 })
    .toMatchObject({ status: 'completed' });
  return String(id);
}

/** A way to make the same batch again and again, with or without a key. */
async function openMaking(desk: Desk, token: string | null = null) {
  const body = formOf(JSON.stringify(lineOf(1)));
  const { id: input_file_id } = await desk.json('POST', '/v1/files', { body, token });
  return async (key: string | null, more: Fields = {}, headers: Record<string, string> = {}, by = desk) => {
    const asked = { input_file_id, endpoint: ENDPOINT, completion_window: '24h', ...more };
    const keyed = key === null ? headers : { ...headers, 'idempotency-key': key };
    const made = await by.call('POST', '/v1/batches', { body: asked, token, headers: keyed });
    const { id } = (await made.json()) as Fields;
    await by.batches.settled(String(id));
    return String(id);
  };
}

async function linesOf(response: Promise<Response>): Promise<Fields[]> {
  const text = await (await response).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Fields);
}

describe('a batch with an Idempotency-Key', () => {
  const reused = { status: 422, code: 'idempotency_key_reused' };

  test('is made once, also by calls that come together, and another one by another key', async () => {
    const desk = await openDesk();
    const make = await openMaking(desk);
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => make('night-1')));

    expect(others).toEqual([first, first]);
    expect(await make('night-1')).toBe(first);
    expect(await make('night-2')).not.toBe(first);
    expect(await make(null)).not.toBe(await make(null));
    await expect(make('\u00e9')).rejects.toMatchObject({ status: 400 });
  });

  test.each([
    ['another window', { completion_window: '48h' }, {}],
    ['other metadata', { metadata: { night: '2' } }, {}],
    ['another endpoint', { endpoint: '/v1/embeddings' }, {}],
    ['another file', { input_file_id: 'file-of-another' }, {}],
    ['other readers', {}, { 'x-llm-bridge-local-only': 'true' }],
  ])('is 422 with %s', async (_what, more, headers) => {
    const desk = await openDesk();
    const make = await openMaking(desk);
    const metadata = { night: '1' };
    const key = `key of ${JSON.stringify([more, headers])}`;
    const id = await make(key, { metadata });

    await expect(make(key, { metadata, ...more }, headers)).rejects.toMatchObject(reused);
    expect(await make(key, { metadata })).toBe(id);
  });

  test('is of its own token', async () => {
    const desk = await openDesk();
    const id = await (await openMaking(desk, 'phone'))('night-3');

    expect(await (await openMaking(desk, 'bot'))('night-3')).not.toBe(id);
  });

  test('is the same for a gateway that was started again, and for one that has history alone', async () => {
    const desk = await openDesk();
    const make = await openMaking(desk);
    const metadata = { b: '1', a: '2' };
    const id = await make('night-4', { metadata });
    await desk.batches.close();
    const again = await openDesk({ folder: desk.folder });
    expect(await make('night-4', { metadata: { a: '2', b: '1' } }, {}, again)).toBe(id);
    await expect(make('night-4', {}, {}, again)).rejects.toMatchObject(reused);

    await answer((await openTasks(id)).get('q-1'), 'one');
    const elsewhere = await openDesk();
    expect(await make('night-4', { metadata }, {}, elsewhere)).toBe(id);
    await expect(make('night-4', {}, {}, elsewhere)).rejects.toMatchObject(reused);
  });

  test('stays the one that failed', async () => {
    const desk = await openDesk();
    const body = formOf('no JSON');
    const { id: input_file_id } = await desk.json('POST', '/v1/files', { body });
    const make = await openMaking(desk);
    const id = await make('night-5', { input_file_id });

    expect(await make('night-5', { input_file_id })).toBe(id);
    expect(await desk.json('GET', `/v1/batches/${id}`)).toMatchObject({ status: 'failed' });
  });
});

/** After it nothing more comes of what was cancelled. Milliseconds. */
const SETTLED_MS = 30_000;

describe('a batch', () => {
  test('that no third party may read says so in each of its tasks', async () => {
    const desk = await openDesk();
    const file = await desk.json('POST', '/v1/files', { body: formOf(JSON.stringify(lineOf(1))) });
    const body = { input_file_id: file.id, endpoint: ENDPOINT, completion_window: '24h' };
    const headers = { 'x-llm-bridge-local-only': 'true' };
    const made = (await (await desk.call('POST', '/v1/batches', { body, headers })).json()) as Fields;
    await desk.batches.settled(String(made.id));
    const [task] = (await openTasks(made.id)).values();
    const asked = JSON.parse(await fixture.bridge.git(['show', `${task}:task.json`])) as Fields;
    expect(asked).toMatchObject({ local_only: true, priority: -10 });
    const bad = desk.call('POST', '/v1/batches', { body, headers: { 'x-llm-bridge-local-only': 'yes' } });
    await expect(bad).rejects.toMatchObject({ status: 400 });
  });

  test('becomes tasks with priority -10, and its results come from the record in the order of the file', async () => {
    const desk = await openDesk();
    const made = await desk.make(
      numbers(4).map((at) => lineOf(at)),
      { metadata: { night: '7' } },
    );
    expect(made).toMatchObject({ object: 'batch', status: 'validating', endpoint: ENDPOINT, errors: null });
    const path = `/v1/batches/${made.id}`;
    const counts = { total: 4, completed: 0, failed: 0 };
    const begun = await desk.json('GET', path);
    expect(begun).toMatchObject({ status: 'in_progress', request_counts: counts, output_file_id: null });
    const tasks = await openTasks(made.id);
    const first = JSON.parse(await fixture.bridge.git(['show', `${tasks.get('q-1')}:task.json`])) as Fields;
    expect(first).toMatchObject({ priority: -10, request: { path: ENDPOINT, body: lineOf(1).body } });
    // Answered from the last to the first; one badly, and one refused by the model server.
    await answer(tasks.get('q-4'), 'four');
    const error = { code: 'timeout', message: 'it took too long' };
    await fixture.answer(tasks.get('q-3') ?? '', { answer: null, error });
    const refusal = { status: 400, body: { error: { message: 'no' } } };
    const refused = { answer: null, error: { code: 'backend_refused', message: 'no' }, response: refusal };
    await fixture.answer(tasks.get('q-2') ?? '', refused);
    expect(await desk.json('GET', path)).toMatchObject({ status: 'in_progress', output_file_id: null });
    await answer(tasks.get('q-1'), 'one');
    await expect
      .poll(() => desk.json('GET', path), { timeout: 30_000 })
      .toMatchObject({
        ...{ status: 'completed', request_counts: { total: 4, completed: 2, failed: 2 } },
        ...{ metadata: { night: '7' }, completed_at: expect.any(Number), errors: null },
      });
    const { output_file_id, error_file_id } = await desk.json('GET', path);
    expect(await linesOf(desk.call('GET', `/v1/files/${output_file_id}/content`))).toMatchObject(
      ['one', 'four'].map((content, at) => ({
        ...{ id: /^batch_req_/, custom_id: ['q-1', 'q-4'][at], error: null },
        id: `batch_req_${tasks.get(['q-1', 'q-4'][at] ?? '')}`,
        response: { status_code: 200, body: { choices: [{ message: { content } }] } },
      })),
    );
    expect(await linesOf(desk.call('GET', `/v1/files/${error_file_id}/content`))).toMatchObject([
      { custom_id: 'q-2', response: { status_code: 400, body: refusal.body }, error: null },
      { custom_id: 'q-3', response: null, error: { code: 'timeout' } },
    ]);
    const whole = await (await desk.call('GET', `/v1/files/${output_file_id}/content`)).text();
    const file = await desk.json('GET', `/v1/files/${output_file_id}`);
    expect(file).toMatchObject({ object: 'file', purpose: 'batch_output', bytes: Buffer.byteLength(whole) });
  });

  test('is known from history alone, to a gateway that has nothing else', async () => {
    const desk = await openDesk();
    const made = await desk.make([lineOf(1), lineOf(2)], { metadata: { a: 'b' } }, 'alice');
    await rm(desk.folder, { recursive: true });
    const other = await openDesk();
    const path = `/v1/batches/${made.id}`;
    const token = 'alice';
    const { input_file_id, created_at } = made;
    expect(await other.json('GET', path, { token })).toMatchObject({
      ...{ id: made.id, status: 'in_progress', endpoint: ENDPOINT, input_file_id, created_at },
      ...{ completion_window: '24h', metadata: { a: 'b' }, request_counts: { total: 2 } },
    });
    for (const task of (await openTasks(made.id)).values()) await answer(task, 'yes');
    await expect
      .poll(() => other.json('GET', path, { token }), { timeout: 30_000 })
      .toMatchObject({ status: 'completed' });
    const { output_file_id } = await other.json('GET', path, { token });
    expect(await linesOf(other.call('GET', `/v1/files/${output_file_id}/content`, { token }))).toHaveLength(
      2,
    );
    const list = await other.json('GET', '/v1/batches', { token });
    expect(list).toMatchObject({ object: 'list', data: [{ id: made.id }], has_more: false });
  });

  test('that was killed half-way through taking in goes on from its file, without doubling', async () => {
    // A bridge of its own, because every later look at the tasks of the shared one would read all of these.
    const own = await startCalls();
    const { calls } = own;
    let left = 700;
    const dying = await openDesk({
      calls,
      submit: async (what) => {
        left -= 1;
        if (left < 0) throw new Error('killed');
        return await calls.submit(what);
      },
    });
    const made = await dying.make(numbers(1_200).map((at) => lineOf(at)));
    await dying.batches.close();
    expect((await openTasks(made.id, own)).size).toBe(700);
    const again = await openDesk({ calls, folder: dying.folder });
    await again.batches.open();
    await again.batches.settled(String(made.id));
    expect(await again.json('GET', `/v1/batches/${made.id}`)).toMatchObject({ status: 'in_progress' });
    const log = await own.bridge.git(['log', '--format=%s', 'main']);
    const asked = log.split('\n').filter((subject) => /question \d{3,4}$/.test(subject));
    expect(asked).toHaveLength(1_200 - 99);
    expect(new Set(asked).size).toBe(asked.length);
    expect((await openTasks(made.id, own)).size).toBe(1_200);
  });

  test('is cancelled once by two at a time, and what was not answered says so', async () => {
    const desk = await openDesk();
    const { id } = await desk.make([lineOf(1), lineOf(2), lineOf(3)]);
    await answer((await openTasks(id)).get('q-2'), 'two');
    const cancel = () => desk.json('POST', `/v1/batches/${id}/cancel`);
    const both = await Promise.all([cancel(), cancel()]);
    for (const one of both) expect(one.status).toMatch(/^cancell(ing|ed)$/);
    await desk.batches.settled(String(id));
    const cancels = (await fixture.subjects()).filter((subject) => subject.startsWith('cancel'));
    expect(cancels).toHaveLength(2);
    expect((await cancel()).status).toMatch(/^cancell(ing|ed)$/);
    // Gateways that know history alone say the same, some seconds later.
    const later = await openDesk({ aheadMs: SETTLED_MS });
    const done = await later.json('GET', `/v1/batches/${id}`);
    expect(done).toMatchObject({
      status: 'cancelled',
      request_counts: { total: 3, completed: 1, failed: 0 },
    });
    expect(await linesOf(later.call('GET', `/v1/files/${done.error_file_id}/content`))).toMatchObject([
      { custom_id: 'q-1', response: null, error: { code: 'batch_cancelled' } },
      { custom_id: 'q-3', response: null, error: { code: 'batch_cancelled' } },
    ]);
    expect((await later.json('POST', `/v1/batches/${id}/cancel`)).status).toBe('cancelled');
  });

  test('says that it is cancelled once nothing comes any more, or at once where all is answered', async () => {
    const desk = await openDesk();
    const { id } = await desk.make([lineOf(1), lineOf(2), lineOf(3)]);
    const tasks = await openTasks(id);
    const at = async (aheadMs: number) => (await openDesk({ aheadMs })).json('GET', `/v1/batches/${id}`);
    await desk.json('POST', `/v1/batches/${id}/cancel`);
    await desk.batches.settled(String(id));
    expect(await at(0)).toMatchObject({ status: 'cancelling', output_file_id: null });
    // One that was finished before its agent heard of the cancel.
    await answer(tasks.get('q-1'), 'one');
    const late = { status: 'cancelled', request_counts: { completed: 1 } };
    expect(await at(SETTLED_MS)).toMatchObject({ ...late, output_file_id: expect.any(String) });
    expect(await at(0)).toMatchObject({ status: 'cancelling' });
    const error = { code: 'cancelled', message: 'cancelled by bot' };
    for (const line of ['q-2', 'q-3']) await fixture.answer(tasks.get(line) ?? '', { answer: null, error });
    expect(await at(0)).toMatchObject(late);
  });

  test('that is cancelled while its lines are checked is cancelled, and what it asked before that as well', async () => {
    let go = () => {};
    const isCancelling = new Promise<void>((resolve) => {
      go = resolve;
    });
    const hasModel = async () => {
      await isCancelling;
      return true;
    };
    const desk = await openDesk({ hasModel });
    const before = await fixture.subjects();
    const { id: input_file_id } = await desk.json('POST', '/v1/files', {
      body: formOf(JSON.stringify(lineOf(1))),
    });
    const body = { input_file_id, endpoint: ENDPOINT, completion_window: '24h' };
    const { id } = await desk.json('POST', '/v1/batches', { body });
    const facts = await desk.batches.find(String(id), null);
    if (facts === null) throw new Error('the batch is not there');
    // Its journal is written for both at the same time.
    const cancelled = desk.batches.cancel(facts, null);
    go();
    await cancelled;
    await desk.batches.settled(String(id));
    const later = await openDesk({ folder: desk.folder, aheadMs: SETTLED_MS });
    expect(await later.json('GET', `/v1/batches/${id}`)).toMatchObject({ status: 'cancelled' });
    // Whichever of the two was first: a task is asked and cancelled, or none is asked.
    const kinds = (await fixture.subjects())
      .slice(before.length)
      .map((subject) => subject.replace(/^(ask|cancel)\b.*/, '$1'));
    expect([[], ['ask', 'cancel']]).toContainEqual(kinds);
  });

  test('stays cancelled where all was answered before its cancel was there', async () => {
    const desk = await openDesk();
    const { id } = await desk.make([lineOf(1)]);
    const facts = await desk.batches.find(String(id), null);
    await answer((await openTasks(id)).get('q-1'), 'one');
    if (facts === null) throw new Error('the batch is not there');
    await desk.batches.cancel(facts, null);
    await desk.batches.settled(String(id));
    for (const gateway of [desk, await openDesk({ folder: desk.folder })]) {
      await gateway.batches.open();
      expect(await gateway.json('GET', `/v1/batches/${id}`)).toMatchObject({
        ...{ status: 'cancelled', output_file_id: expect.any(String) },
        request_counts: { total: 1, completed: 1, failed: 0 },
      });
    }
  });

  test('goes through the states of the API in their order, and says completed once its results were read', async () => {
    const desk = await openDesk();
    const { id, status } = await desk.make([lineOf(1)]);
    const seen = [status];
    await answer((await openTasks(id)).get('q-1'), 'one');
    await expect
      .poll(
        async () => {
          const batch = await desk.json('GET', `/v1/batches/${id}`);
          if (seen.at(-1) !== batch.status) seen.push(batch.status);
          const { finalizing_at, completed_at, output_file_id } = batch;
          if (batch.status === 'finalizing') {
            expect({ finalizing_at, completed_at, output_file_id }).toEqual({
              ...{ finalizing_at: expect.any(Number), completed_at: null, output_file_id: null },
            });
          }
          return batch.status;
        },
        { timeout: 30_000 },
      )
      .toBe('completed');
    expect(seen).toEqual(['validating', 'finalizing', 'completed']);
    // It stays so, also for a gateway that has history alone.
    expect(await (await openDesk()).json('GET', `/v1/batches/${id}`)).toMatchObject({ status: 'completed' });
  });

  test('that is older than what is read at first is found, with its results', async () => {
    const desk = await openDesk();
    const id = await completedBatch(desk);
    for (const aheadMs of [40 * DAY_MS, 400 * DAY_MS]) {
      const later = await openDesk({ aheadMs });
      const found = await later.json('GET', `/v1/batches/${id}`);
      expect(found).toMatchObject({ status: 'completed', request_counts: { total: 1, completed: 1 } });
      expect(await linesOf(later.call('GET', `/v1/files/${found.output_file_id}/content`))).toMatchObject([
        { custom_id: 'q-1', error: null },
      ]);
    }
    const none = (await openDesk()).json('GET', `/v1/batches/batch_${'0'.repeat(24)}`);
    await expect(none).rejects.toMatchObject({ status: 404 });
  });

  test('with an answer that cannot be read says so, and does not call it expired', async () => {
    const desk = await openDesk();
    const id = await completedBatch(desk);
    const batch = desk.batches.index.get(id);
    for (const task of batch?.tasks.values() ?? [])
      if (task.answer !== null) task.answer = { ...task.answer, blob: '1'.repeat(40) };
    const results = desk.call('GET', `/v1/files/file-${id.slice('batch_'.length)}-output/content`);
    await expect((await results).text()).rejects.toMatchObject({ code: 'missing-object' });
  });

  test('that is over is not cancelled', async () => {
    const desk = await openDesk();
    const id = await completedBatch(desk);
    await expect(desk.call('POST', `/v1/batches/${id}/cancel`)).rejects.toMatchObject({ status: 409 });
  });

  test('expires, and nobody answers the rest of it', async () => {
    const desk = await openDesk();
    const { id } = await desk.make([lineOf(1), lineOf(2)]);
    await answer((await openTasks(id)).get('q-1'), 'one');
    const later = await openDesk({ folder: desk.folder, aheadMs: DAY_MS + 60_000 });
    expect(await later.json('GET', `/v1/batches/${id}`)).toMatchObject({ status: 'expired' });
    await later.batches.open();
    await later.batches.settled(String(id));
    const log = await fixture.bridge.git(['log', '-1', '--format=%s', 'main']);
    expect(log).toContain('its batch has expired');
    const done = await later.json('GET', `/v1/batches/${id}`);
    expect(done).toMatchObject({ status: 'expired', request_counts: { completed: 1 } });
    expect(done.expired_at).toBe(done.expires_at);
    expect(await linesOf(later.call('GET', `/v1/files/${done.error_file_id}/content`))).toMatchObject([
      { custom_id: 'q-2', response: null, error: { code: 'batch_expired' } },
    ]);
    // Nothing is left of it beside history and its file.
    expect((await readdir(desk.folder)).filter((name) => name.startsWith('batch_'))).toEqual([]);
  });

  test('expires, though one before it cannot be given up', async () => {
    const desk = await openDesk();
    const made = [await desk.make([lineOf(1)]), await desk.make([lineOf(2)])];
    const tasks = await Promise.all(made.map(async ({ id }) => [...(await openTasks(id)).values()].join()));
    // Whichever comes first.
    let stuck = '';
    const submit: DeskSettings['submit'] = async (what) => {
      const task = tasks.find((one) => JSON.stringify(what).includes(one)) ?? '';
      if (stuck === '') stuck = task;
      if (task === stuck) throw new Error('not this one');
      return await fixture.calls.submit(what);
    };
    const later = await openDesk({ folder: desk.folder, aheadMs: DAY_MS + 60_000, submit });
    await later.batches.open();
    expect(String(fixture.problems.splice(0))).toContain('not this one');
    const cancelled = await fixture.bridge.git(['log', '--format=%(trailers:key=Task,valueonly)', 'main']);
    expect(tasks.filter((task) => !cancelled.includes(task))).toEqual([stuck]);
  });

  test('expires once, though two gateways of the bridge see it', async () => {
    const desk = await openDesk();
    const { id } = await desk.make([lineOf(1), lineOf(2)]);
    let go = () => {};
    const isOther = new Promise<void>((resolve) => {
      go = resolve;
    });
    let begin = () => {};
    const isAtWork = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const submit: DeskSettings['submit'] = async (what) => {
      begin();
      await isOther;
      return await fixture.calls.submit(what);
    };
    const later = { folder: desk.folder, aheadMs: DAY_MS + 60_000 };
    const first = await openDesk({ ...later, submit });
    const opened = first.batches.open();
    await isAtWork;
    const second = await openDesk(later);
    await second.batches.open();
    go();
    await opened;
    const cancels = await fixture.bridge.git(['log', '--format=%s', 'main', '--grep=its batch has expired']);
    const tasks = [...(await openTasks(id)).values()].map((task) => task.slice(0, 8));
    const ours = cancels.split('\n').filter((subject) => tasks.some((task) => subject.includes(task)));
    expect([ours.length, await first.json('GET', `/v1/batches/${id}`)]).toMatchObject([
      2,
      { status: 'expired' },
    ]);
  });

  test('has the model that an alias stands for, and no field of the gateway', async () => {
    const desk = await openDesk();
    const url = '/v1/responses';
    const body = { model: 'gpt-4o', input: 'x', store: true, background: true };
    const { id } = await desk.make([lineOf(1, { url, body })], { endpoint: url });
    const task = (await openTasks(id)).get('q-1');
    const asked = JSON.parse(await fixture.bridge.git(['show', `${task}:task.json`])) as Fields;
    expect(asked).toMatchObject({ request: { path: url, body: { model: 'llama3.2', input: 'x' } } });
    expect(JSON.stringify(asked)).not.toMatch(/store|background/);
  });

  test('is added to by nobody else', async () => {
    const desk = await openDesk();
    const { id } = await desk.make([lineOf(1), lineOf(2)], {}, 'alice');
    const body = { messages: [] };
    const forged = { batch: String(id), custom_id: 'q-9', batch_line: '9' };
    await fixture.calls.post({
      ...{ path: ENDPOINT, body, token: 'mallory', idempotencyKey: null, wantsStream: false },
      metadata: forged,
    });
    const other = await openDesk();
    await other.batches.index.refresh();
    expect([...(other.batches.index.get(String(id))?.tasks.keys() ?? [])]).toEqual([1, 2]);
  });
});

describe('a file that is no batch', () => {
  test.each<[what: string, lines: unknown[], code: string, line: number | null, param: string | null]>([
    ['no JSON', ['{"custom_id": '], 'invalid_json_line', 1, null],
    ['half a line', [lineOf(1), '[1]'], 'invalid_request', 2, null],
    ['a custom_id twice', [lineOf(1), lineOf(1)], 'duplicate_custom_id', 2, 'custom_id'],
    [
      'a byte order mark in the middle',
      [lineOf(1), `\ufeff${JSON.stringify(lineOf(2))}`],
      'invalid_json_line',
      2,
      null,
    ],
    ['a list', ['[1, 2]'], 'invalid_request', 1, null],
    ['no custom_id', [lineOf(1, { custom_id: undefined })], 'invalid_custom_id', 1, 'custom_id'],
    ['another url', [lineOf(1, { url: '/v1/embeddings' })], 'mismatched_endpoint', 1, 'url'],
    ['another method', [lineOf(1, { method: 'GET' })], 'invalid_method', 1, 'method'],
    ['no body', [lineOf(1, { body: 'x' })], 'invalid_request', 1, 'body'],
    ['a key twice', ['{"custom_id":"a","custom_id":"b"}'], 'invalid_json_line', 1, null],
    [
      'half a character',
      ['{"custom_id":"\\ud800","method":"POST","url":"x","body":{}}'],
      'invalid_custom_id',
      1,
      'custom_id',
    ],
    ['a stream', [lineOf(1, { body: { stream: true } })], 'stream_not_supported', 1, 'body.stream'],
    [
      'a model that nobody has',
      [lineOf(1, { body: { model: 'no-such' } })],
      'model_not_found',
      1,
      'body.model',
    ],
    ['nothing', ['', '  '], 'empty_file', null, null],
  ])('fails with its line: %s', async (_what, lines, code, line, param) => {
    const desk = await openDesk();
    const { id } = await desk.make(lines);
    expect(await desk.json('GET', `/v1/batches/${id}`)).toMatchObject({
      ...{ status: 'failed', failed_at: expect.any(Number), output_file_id: null },
      errors: {
        object: 'list',
        data: [{ code, line, param, message: expect.stringMatching(/^(?!This line (?:[a-z_]+:|[A-Z]))/) }],
      },
    });
    expect((await openTasks(id)).size).toBe(0);
  });

  test('tells a hundred faults at most, and of a million lines only that', async () => {
    const desk = await openDesk();
    const bad = await desk.make(numbers(300).map(() => 'x'));
    const told = await desk.json('GET', `/v1/batches/${bad.id}`);
    expect((told.errors as { data: unknown[] }).data).toHaveLength(100);
    const many = await desk.make([Array.from({ length: 1_000_000 }, () => '{}').join('\n')]);
    const { errors } = (await desk.json('GET', `/v1/batches/${many.id}`)) as { errors: { data: Fields[] } };
    expect(errors.data).toHaveLength(100);
  });

  test('has a line of nine megabytes, which is never held', async () => {
    const desk = await openDesk();
    const long = lineOf(2, { body: { messages: 'x'.repeat(9 * 1024 * 1024) } });
    const { id } = await desk.make([lineOf(1), long]);
    const { errors } = (await desk.json('GET', `/v1/batches/${id}`)) as { errors: { data: Fields[] } };
    expect(errors.data).toMatchObject([{ code: 'request_too_large', line: 2 }]);
  });

  test.each([
    ['input_file_id', { input_file_id: 'file-../../tokens' }],
    ['input_file_id', { input_file_id: 7 }],
    ['endpoint', { endpoint: '/v1/files' }],
    ['completion_window', { completion_window: 'soon' }],
    ['metadata', { metadata: { a: 1 } }],
    ['metadata', { metadata: Object.fromEntries(numbers(17).map((n) => [`k${n}`, ''])) }],
  ])('is 400 for a bad %s', async (param, more) => {
    const made = (await openDesk()).make([lineOf(1)], more);
    await expect(made).rejects.toMatchObject({ status: 400, param });
  });
});

describe('a file', () => {
  test('is kept, listed, read and deleted by its own token alone', async () => {
    const desk = await openDesk();
    const token = 'alice';
    const file = await desk.json('POST', '/v1/files', { body: formOf('{}\n'), token });
    expect(file).toMatchObject({ object: 'file', bytes: 3, filename: 'in.jsonl', purpose: 'batch' });
    const path = `/v1/files/${file.id}`;
    expect(await (await desk.call('GET', `${path}/content`, { token })).text()).toBe('{}\n');
    for (const other of ['mallory', null]) {
      for (const [method, where] of [
        ['GET', path],
        ['GET', `${path}/content`],
        ['DELETE', path],
      ] as const)
        await expect(desk.call(method, where, { token: other })).rejects.toMatchObject({ status: 404 });
      expect(await desk.json('GET', '/v1/files?purpose=batch', { token: other })).toMatchObject({ data: [] });
    }
    expect(await desk.json('GET', '/v1/files?purpose=batch', { token })).toMatchObject({
      data: [{ id: file.id }],
    });
    expect(await desk.json('DELETE', path, { token })).toEqual({
      id: file.id,
      object: 'file',
      deleted: true,
    });
    expect(await readdir(desk.folder)).toEqual([]);
  });

  test.each([
    '../../../etc/passwd',
    '..\\..\\tokens.json',
    '..',
    '/etc/shadow',
    'a\u0000b\u001b[31m',
    'x'.repeat(5_000),
  ])('lies under its own id, whatever its name is: %j', async (name) => {
    const desk = await openDesk();
    const { id, filename } = await desk.json('POST', '/v1/files', { body: formOf('{}', name) });
    expect((await readdir(desk.folder)).sort()).toEqual([`${id}.json`, `${id}.jsonl`]);
    const isPlain = [...String(filename)].every((char) => char >= ' ' && !'/\\'.includes(char));
    expect(isPlain && !/^\.+$/.test(String(filename))).toBe(true);
    expect(String(filename).length).toBeLessThan(210);
  });

  test.each(['file-..%2f..%2ftokens', 'file-', `file-${'a'.repeat(24)}`, `file-${'a'.repeat(24)}-output`])(
    'is not found by an id that is none: %s',
    async (id) => {
      const desk = await openDesk();
      await writeFile(join(desk.folder, '..', 'tokens.json'), '{}').catch(() => {});
      await expect(desk.call('GET', `/v1/files/${id}`)).rejects.toMatchObject({ status: 404 });
    },
  );

  test('is refused where the disk is full, and leaves nothing behind', async () => {
    const desk = await openDesk({ minFreeBytes: Number.MAX_SAFE_INTEGER });
    const sent = desk.call('POST', '/v1/files', { body: formOf('{}') });
    await expect(sent).rejects.toMatchObject({ status: 507, code: 'disk_full' });
    expect(await readdir(desk.folder)).toEqual([]);
  });

  test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'is refused in the middle by a disk that is really full, and so is a batch; nothing half-written is left',
    async (context) => {
      const folder = await tempDir();
      const run = promisify(execFile);
      const isMounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', folder]).then(
        () => true,
        () => false,
      );
      // Root of a container without rights has no disks of its own.
      if (!isMounted) return context.skip();
      onCleanup(async () => void (await run('umount', ['-l', folder])));
      const desk = await openDesk({ folder });
      const small = await desk.json('POST', '/v1/files', { body: formOf(JSON.stringify(lineOf(1))) });
      const sent = desk.call('POST', '/v1/files', { body: formOf('x'.repeat(400_000)) });
      await expect(sent).rejects.toMatchObject({ status: 507, code: 'disk_full' });
      const kept = [`${small.id}.json`, `${small.id}.jsonl`];
      expect((await readdir(folder)).sort()).toEqual(kept);
      await writeFile(join(folder, 'filler'), Buffer.alloc(240_000)).catch(() => {});
      for (let at = 0; at < 64; at += 1)
        await writeFile(join(folder, `filler${at}`), Buffer.alloc(4_096)).catch(() => {});
      const body = { input_file_id: small.id, endpoint: ENDPOINT, completion_window: '24h' };
      const made = desk.call('POST', '/v1/batches', { body });
      await expect(made).rejects.toMatchObject({ status: 507, code: 'disk_full' });
      const left = (await readdir(folder)).filter((name) => !name.startsWith('filler'));
      expect(left.sort()).toEqual(kept);
      for (const name of await readdir(folder)) if (name.startsWith('filler')) await rm(join(folder, name));
      expect(await desk.json('POST', '/v1/batches', { body })).toMatchObject({ status: 'validating' });
    },
  );

  test('is refused where it is too long, and leaves nothing behind', async () => {
    const desk = await openDesk({ maxFileBytes: 1_000 });
    const sent = desk.call('POST', '/v1/files', { body: formOf('x'.repeat(1_001)) });
    await expect(sent).rejects.toMatchObject({ status: 413 });
    expect(await readdir(desk.folder)).toEqual([]);
  });

  test('is whole however its form is cut, and whatever of a boundary it has in it', async () => {
    const desk = await openDesk();
    const content = '\r\n--b\r\n--bound\r\n\r\n--boundar\r--boundary\n';
    const form = formText(['file', 'in.jsonl', content], ['purpose', null, 'batch']);
    for (const size of [1, 2, 3, 7, 10_000]) {
      const { id } = await send(desk, form, size);
      expect(await (await desk.call('GET', `/v1/files/${id}/content`)).text()).toBe(content);
    }
    const empty = await send(desk, formText(['purpose', null, 'batch'], ['file', 'x', '']), 5);
    expect(empty).toMatchObject({ bytes: 0 });
  });

  const field = (name: string) => [name, null, 'batch'] as const;
  test.each<[what: string, form: string]>([
    ['another purpose', formText(['purpose', null, 'fine-tune'], ['file', 'x', '{}'])],
    ['no purpose', formText(['file', 'x', '{}'])],
    ['no file', formText(field('purpose'))],
    ['two files', formText(field('purpose'), ['file', 'x', '{}'], ['file', 'y', '{}'])],
    ['a hundred fields', formText(...numbers(100).map((n) => field(`f${n}`)), field('purpose'))],
    ['a field without end', formText(['purpose', null, 'x'.repeat(100_000)])],
    ['headers without end', `--boundary\r\nA: ${'x'.repeat(100_000)}`],
    ['no end', '--boundary\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nabc'],
    ['no beginning', `${'x'.repeat(100_000)}--boundary--`],
    ['nothing', ''],
    [
      'a form in a form',
      formText(field('purpose'), ['file', 'x', '{}', 'Content-Type: multipart/mixed; boundary=b']),
    ],
    [
      'an encoded file',
      formText(field('purpose'), ['file', 'x', 'e30=', 'Content-Transfer-Encoding: base64']),
    ],
    ['a part without a name', '--boundary\r\nContent-Type: text/plain\r\n\r\nx\r\n--boundary--'],
  ])('is refused where its form has %s', async (_what, form) => {
    const desk = await openDesk();
    await expect(send(desk, form, 1_000)).rejects.toMatchObject({ status: 400 });
    expect(await readdir(desk.folder)).toEqual([]);
  });
});

type FormPart = readonly [name: string, filename: string | null, content: string, header?: string];

function formText(...parts: readonly FormPart[]): string {
  const texts = parts.map(([name, filename, content, header]) => {
    const file = filename === null ? '' : `; filename="${filename}"`;
    const more = header === undefined ? '' : `\r\n${header}`;
    return `--boundary\r\nContent-Disposition: form-data; name="${name}"${file}${more}\r\n\r\n${content}\r\n`;
  });
  return `${texts.join('')}--boundary--\r\n`;
}

/** Sends a form in pieces of a size. */
async function send(desk: Desk, form: string, size: number): Promise<Fields> {
  const bytes = Buffer.from(form);
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
  const files = new BatchFiles(desk.folder, { ...FILE_LIMITS, minFreeBytes: 0 });
  const request = new Request('http://x/v1/files', {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=boundary' },
    body: ReadableStream.from(pieces),
    duplex: 'half',
  } as RequestInit);
  const file = await files.add(request, null);
  expect((await readFile(files.pathOf(file.id))).length).toBe(file.bytes);
  return file as unknown as Fields;
}
