import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { addToken } from '../../../src/admin/tokens.js';
import { type StandIn, startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { type Gateway, openGateway } from '../../../src/gateway/open-gateway.js';
import type { PageState } from '../../../src/gateway/page-data.js';
import { createAgent } from '../../../src/index.js';
import { gate } from '../../support/bridge-agent.js';
import { gitOk } from '../../support/git.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';
import { waitUntil } from '../../support/wait-until.js';

type Fields = Record<string, unknown>;

let home: PlainBridge;
let club: PlainBridge;
/** Of the agent on both bridges, and of the one on the second alone. */
let both: StandIn;
let alone: StandIn;
let gateway: Gateway;
const said: string[] = [];

beforeAll(async () => {
  const hooks = 'here for all';
  [home, club] = await Promise.all([startPlainBridge({ hooks }), startPlainBridge({ hooks })]);
  both = await startStandIn({ models: { ollama: ['llama3.2'] } });
  alone = await startStandIn({ models: { ollama: ['mistral'] } });
  for (const standIn of [both, alone]) onCleanup(() => standIn.close());
  startAgent('home-pc', both, [home, club]);
  startAgent('club-pc', alone, [club]);
  // Each bridge knows what its agents have before the gateway looks.
  await waitUntil(
    async () => (await saidOn(home)) === 1 && (await saidOn(club)) === 2,
    'the models',
    180_000,
  );
  gateway = await open(home.repoPath, club.repoPath, join(home.dir, 'not-there.git'));
});

function startAgent(name: string, standIn: StandIn, bridges: readonly PlainBridge[]): void {
  const stop = new AbortController();
  const [first] = bridges as [PlainBridge];
  const running = createAgent({
    ...{ name, repo: bridges.map(({ repoPath }) => ({ repo: repoPath })), env: first.env, parallel: 4 },
    ...{ stateDir: join(first.dir, `state-${name}`), backends: ['ollama'], ollamaUrl: standIn.ollamaUrl },
  }).run(stop.signal);
  onCleanup(async () => {
    stop.abort();
    await running;
  });
}

/** How many agents have said on a bridge what they have. */
async function saidOn({ repoPath, env }: PlainBridge): Promise<number> {
  const refs = await gitOk(['for-each-ref', 'refs/bridge/models/'], { gitDir: repoPath, env });
  return refs.split('\n').filter((line) => line !== '').length;
}

async function open(...repos: string[]): Promise<Gateway> {
  const names = ['home', 'club', 'away'];
  const opened = await openGateway({
    bridges: repos.map((repo, at) => ({ name: names[at] ?? '', access: { repo, env: home.env } })),
    ...{ listen: { host: '127.0.0.1', port: 0 }, waitMs: 60_000, lingerMs: 60_000, aliases: new Map() },
    ...{ allowedHosts: [], corsOrigins: [], say: (line) => said.push(line) },
  });
  onCleanup(() => opened.close());
  return opened;
}

async function call(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
  return await fetch(
    `${gateway.url}${path}`,
    body === undefined
      ? { headers }
      : { ...init, body: body instanceof FormData ? body : JSON.stringify(body) },
  );
}

const json = async (path: string, body?: unknown) => (await (await call(path, body)).json()) as Fields;

async function models(): Promise<Fields[]> {
  return (await json('/v1/models')).data as Fields[];
}

const chat = (content: string, model = 'llama3.2') => ({ model, messages: [{ role: 'user', content }] });

/** The name of the bridge that a task is on. */
async function whereIs(task: string | null): Promise<string[]> {
  const found: string[] = [];
  for (const [name, { repoPath, env }] of Object.entries({ home, club })) {
    const ids = await gitOk(['rev-list', 'main'], { gitDir: repoPath, env });
    if (task !== null && ids.includes(task)) found.push(name);
  }
  return found;
}

async function askedOn(content: string, model?: string): Promise<string[]> {
  const response = await call('/v1/chat/completions', chat(content, model));
  expect(response.status).toBe(200);
  return await whereIs(response.headers.get('x-llm-bridge-task'));
}

describe('a gateway over several bridges', () => {
  test('begins though one cannot be opened, and says which and what mends it', async () => {
    expect(said.join('\n')).toMatch(/^away: .*try: .*the other bridges go on, this one is tried again in/m);
    const health = await call('/health');
    expect(health.status).toBe(200);
    expect(await health.json()).toEqual({ status: 'ok', not_ready: { away: 'the bridge cannot be opened' } });
  });

  test('asks a model where an agent has it', async () => {
    expect(await askedOn('2+2', 'mistral')).toEqual(['club']);
    // The first one, where nothing else tells them apart.
    expect(await askedOn('2+2')).toEqual(['home']);
  });

  test('spreads calls that come together over the bridges that have the model', async () => {
    const held = gate();
    both.behave = () => ({ firstTokenAfter: held.opened });
    const calls = [1, 2, 3, 4].map((nth) => askedOn(`spread ${nth}`));
    const asked = () => both.requests.filter(({ body }) => JSON.stringify(body ?? null).includes('spread'));
    await waitUntil(() => asked().length === 4, 'four tasks at the model');
    held.open();
    const where = (await Promise.all(calls)).flat();
    expect(where.filter((name) => name === 'home')).toHaveLength(2);
    expect(where.filter((name) => name === 'club')).toHaveLength(2);
    both.behave = () => ({});
  });

  test('sends what comes twice by one Idempotency-Key to one bridge', async () => {
    const twice = [1, 2, 3].map(() =>
      call('/v1/chat/completions', chat('once'), { 'idempotency-key': 'one' }),
    );
    const tasks = (await Promise.all(twice)).map(({ headers }) => headers.get('x-llm-bridge-task'));
    expect(new Set(tasks).size).toBe(1);
    const background = { model: 'llama3.2', input: 'once more', background: true };
    const asked = [1, 2, 3].map(() => call('/v1/responses', background, { 'idempotency-key': 'two' }));
    const ids = await Promise.all(
      (await Promise.all(asked)).map(async (one) => ((await one.json()) as Fields).id),
    );
    expect(new Set(ids).size).toBe(1);
  });

  test('finds a response, a task and a batch on whichever bridge has it', async () => {
    const ids: string[] = [];
    for (const model of ['mistral', 'llama3.2']) {
      const { id } = await json('/v1/responses', { model, input: '3+3', background: true });
      ids.push(String(id));
      await waitUntil(
        async () => (await json(`/v1/responses/${id}`)).status === 'completed',
        `the response of ${model}`,
      );
      const record = await json(`/page/task/${String(id).slice('resp_'.length)}`);
      expect(record.bridge).toBe(model === 'mistral' ? 'club' : 'home');
    }
    expect(await whereIs(String(ids[0]).slice('resp_'.length))).toEqual(['club']);
    // Not all bridges can be read: whether it is nowhere, nobody knows.
    expect((await call(`/v1/responses/resp_${'0'.repeat(40)}`)).status).toBe(503);
    expect((await call('/v1/chat/completions', chat('x', 'no-such'))).status).toBe(503);

    const batches: Fields[] = [];
    for (const model of ['mistral', 'llama3.2']) {
      const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: chat('4+4', model) };
      const form = new FormData();
      form.set('purpose', 'batch');
      form.set('file', new File([JSON.stringify(line)], 'in.jsonl'));
      const file = (await (
        await fetch(`${gateway.url}/v1/files`, { method: 'POST', body: form })
      ).json()) as Fields;
      const made = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
      batches.push(await json('/v1/batches', made));
    }
    for (const { id } of batches) {
      const batch = await waitUntil(async () => {
        const now = await json(`/v1/batches/${id}`);
        return now.status === 'completed' ? now : false;
      }, `the batch ${id}`);
      const output = await call(`/v1/files/${batch.output_file_id}/content`);
      expect(((await output.json()) as Fields).custom_id).toBe('a');
    }
    const listed = (await json('/v1/batches')).data as Fields[];
    expect(listed.map(({ id }) => id).sort()).toEqual(batches.map(({ id }) => id).sort());
    const files = (await json('/v1/files')).data as Fields[];
    expect(files.filter(({ purpose }) => purpose === 'batch_output')).toHaveLength(2);
    expect(await gitOk(['log', '--format=%s', 'main'], { gitDir: club.repoPath, env: club.env })).toContain(
      '4+4',
    );
  });

  test('shows models, tasks, agents and metrics of all, each with the name of its bridge', async () => {
    expect((await models()).map(({ id, owned_by }) => [id, owned_by])).toEqual([
      ['llama3.2', 'home/home-pc,club/home-pc'],
      ['mistral', 'club/club-pc'],
    ]);
    const page = (await json('/page/state')) as unknown as PageState;
    expect(page.bridges).toEqual([
      { name: 'home', problem: null },
      { name: 'club', problem: null },
      { name: 'away', problem: 'it could not be opened yet' },
    ]);
    expect(page.agents.map(({ bridge, name }) => `${bridge}/${name}`)).toEqual([
      ...['home/home-pc', 'club/club-pc', 'club/home-pc'],
    ]);
    expect(new Set(page.tasks.map(({ bridge }) => bridge))).toEqual(new Set(['home', 'club']));
    const metrics = await (await call('/metrics')).text();
    expect(metrics.match(/^# TYPE llm_bridge_agents gauge$/gm)).toHaveLength(1);
    for (const bridge of ['home', 'club'])
      expect(metrics).toMatch(
        new RegExp(`^llm_bridge_tasks_answered_total\\{.*bridge="${bridge}".*\\} [1-9]`, 'm'),
      );
    const found = (await (await call('/page/search?q=spread')).json()) as Fields[];
    expect(new Set(found.map(({ bridge }) => bridge))).toEqual(new Set(['home', 'club']));
    const figures = (await json('/page/stats')) as { by: { asker: { answers: number }[] } };
    expect(figures.by.asker[0]?.answers).toBe((await allAnswers()).length);
  });

  test('goes on with the others when one breaks, its tokens kept, and with it when it is back', async () => {
    const token = await addToken(join(home.repoPath, 'bridge', 'tokens.json'), 'bot', Date.now());
    const bearer = { authorization: `Bearer ${token}` };
    expect((await call('/v1/models')).status).toBe(401);
    await rename(home.repoPath, `${home.repoPath}.away`);
    const lost = await call('/v1/chat/completions', chat('while home is away'), bearer);
    expect(lost.status).toBe(200);
    expect((await call('/v1/models')).status).toBe(401);
    await rename(`${home.repoPath}.away`, home.repoPath);
    expect(await whereIs(lost.headers.get('x-llm-bridge-task'))).toEqual(['club']);
    const isBack = async () => {
      const health = (await (await call('/health')).json()) as { not_ready?: Fields };
      return health.not_ready?.home === undefined;
    };
    await waitUntil(isBack, 'home to be ready again', 30_000);
  });
});

async function allAnswers(): Promise<string[]> {
  const logs = await Promise.all([home.readLog(), club.readLog()]);
  return logs
    .join('')
    .split('\n')
    .filter((line) => line !== '');
}
