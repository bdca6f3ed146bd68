import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../src/gateway/api-errors.js';
import type { GatewayCall } from '../../../src/gateway/gateway-parts.js';
import type { ServedBridge } from '../../../src/gateway/served-bridge.js';
import { ServedBridges } from '../../../src/gateway/served-bridges.js';
import { CallSpreader } from '../../../src/gateway/spread-calls.js';
import { notAsked } from '../../../src/gateway/task-errors.js';
import { BridgeError } from '../../../src/protocol/bridge-error.js';
import { gate } from '../../support/bridge-agent.js';
import { onCleanup } from '../../support/on-cleanup.js';

const away = () =>
  new BridgeError('nobody answers', { code: 'unreachable', remedy: 'wait', retryable: true });

/** A bridge whose agents say nothing of their models, as far as a gateway looks at it. */
function bridge(name: string, more: object = {}): ServedBridge {
  const none = { agents: [], running: new Map(), models: new Map(), ...more };
  const terms = { serverNow: () => Date.now(), claimLeaseMs: 60_000 };
  const calls = {
    ...{ knows: () => false, isAiling: () => false, who: async () => none, lastWho: () => none },
    ...{ openTasks: async () => 0, view: { terms } },
  };
  return { name, calls, health: async () => null, close: async () => {} } as unknown as ServedBridge;
}

async function opened(
  all: Record<string, () => Promise<ServedBridge>>,
  said: string[] = [],
): Promise<ServedBridges> {
  const served = await ServedBridges.open(
    Object.keys(all).map((name) => ({ name, access: { repo: name, env: {} } })),
    ({ name }) => (all[name ?? ''] as () => Promise<ServedBridge>)(),
    (error, name) => said.push(`${name}: ${(error as Error).message}`),
  );
  onCleanup(() => served.close());
  return served;
}

function call(more: Partial<GatewayCall> = {}): GatewayCall {
  return {
    ...{ path: '/v1/chat/completions', body: { model: 'm' }, token: null, idempotencyKey: null },
    ...{ wantsStream: false, form: 'v1', left: new AbortController().signal },
    ...more,
  };
}

describe('a bridge that is away', () => {
  test('is opened later, and until then the others are there', async () => {
    const back = gate();
    let isBack = false;
    const said: string[] = [];
    const served = await opened(
      {
        home: async () => bridge('home'),
        club: async () => {
          if (!isBack) throw away();
          back.open();
          return bridge('club');
        },
      },
      said,
    );
    expect(served.open().map(({ name }) => name)).toEqual(['home']);
    expect(served.missing()).toEqual(['club']);
    expect(await served.health()).toEqual({
      reason: null,
      notReady: { club: 'the bridge cannot be opened' },
    });
    expect(said.join()).toContain('club: nobody answers; try: wait; the other bridges go on');
    isBack = true;
    await back.opened;
    await expect.poll(() => served.missing()).toEqual([]);
    expect(served.open().map(({ name }) => name)).toEqual(['home', 'club']);
  });

  test('where none can be opened, it is what the first one said', async () => {
    const none = opened({
      home: () => Promise.reject(away()),
      club: () => Promise.reject(new Error('other')),
    });
    await expect(none).rejects.toThrow('nobody answers');
  });
});

test('a key of a bridge that could not be opened yet is unknown: its call is asked on another', async () => {
  const served = await opened({ home: async () => bridge('home'), club: () => Promise.reject(away()) });
  const placed = await new CallSpreader(served).place(call({ idempotencyKey: 'one' }), {
    ask: async ({ name }) => name,
  });
  expect(placed.done).toBe('home');
});

describe('spreading', () => {
  const none = () => new ApiError('no', { status: 500 });

  test.each([
    ['is unreachable', notAsked()],
    ['refuses it for its size', new ApiError('too large', { status: 413 })],
    ['is full', new ApiError('full', { status: 429 })],
    ['is too old for it', new ApiError('older', { status: 502, code: 'older-bridge' })],
  ])('a call that a bridge does not take is passed on: it %s', async (_what, refusal) => {
    const served = await opened({ home: async () => bridge('home'), club: async () => bridge('club') });
    const asked: string[] = [];
    const placed = await new CallSpreader(served).place(call(), {
      ask: async ({ name }) => {
        asked.push(String(name));
        if (name === 'home') throw refusal;
        return 'done';
      },
    });
    expect([placed.bridge.name, placed.done, asked]).toEqual(['club', 'done', ['home', 'club']]);
  });

  test('a call that a bridge does not take is passed on: it says nothing at all, and what comes later is undone', async () => {
    const served = await opened({ home: async () => bridge('home'), club: async () => bridge('club') });
    const late = gate();
    const undone: string[] = [];
    const { bridge: taken } = await new CallSpreader(served, { moveOnMs: 20 }).place(call(), {
      ask: async ({ name }, { signal }) => {
        if (name === 'club') return 'club';
        signal?.addEventListener('abort', () => late.open());
        await late.opened;
        return 'home';
      },
      undo: (what) => void undone.push(what),
    });
    expect(taken.name).toBe('club');
    await expect.poll(() => undone).toEqual(['home']);
  });

  test.each([
    ['an error of its own', none()],
    ['a task that is on main', new ApiError('still waiting', { status: 503, task: 'a'.repeat(40) })],
  ])('what is no refusal of the bridge stays where it is: %s', async (_what, error) => {
    const served = await opened({ home: async () => bridge('home'), club: async () => bridge('club') });
    const asked: string[] = [];
    const placing = new CallSpreader(served).place(call(), {
      ask: async ({ name }) => {
        asked.push(String(name));
        throw error;
      },
    });
    await expect(placing).rejects.toBe(error);
    expect(asked).toEqual(['home']);
  });

  test('what nobody has is 404, and 503 while a bridge is away', async () => {
    const models = new Map([['pc', { at: '', models: [{ name: 'other', backend: 'ollama', can: [] }] }]]);
    const here = await opened({
      home: async () => bridge('home', { models }),
      club: async () => bridge('club', { models }),
    });
    const ask = () => Promise.reject(none());
    await expect(new CallSpreader(here).place(call(), { ask })).rejects.toMatchObject({ status: 404 });
    expect(here.notFound('no such thing')).toMatchObject({ status: 404, message: 'no such thing' });
    const half = await opened({
      home: async () => bridge('home', { models }),
      club: () => Promise.reject(away()),
    });
    await expect(new CallSpreader(half).place(call(), { ask })).rejects.toMatchObject({ status: 503 });
    expect(half.notFound('no such thing').message).toBe(
      'the bridge club cannot be read now, and the others do not have this',
    );
  });
});
