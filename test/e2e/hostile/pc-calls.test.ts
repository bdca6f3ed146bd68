import { beforeAll, expect, test } from 'vitest';
import { judgeRequest } from '../../../src/agent/requests/judge-request.js';
import { type StandIn, startStandIn } from '../../../src/demo/stand-in/start-stand-in.js';
import { isRequestPath } from '../../../src/protocol/request.js';
import { runAgentOnce } from '../../support/bridge-agent.js';
import { type BridgeFixture, startBridgeFixture } from '../../support/bridge-fixture.js';
import { commitAllOnMain } from '../../support/commit-on-main.js';
import { BURNS, FETCHED, GONE, nested, OTHER_PATHS, RUN } from '../../support/hostile/hostile-calls.js';
import { onCleanup } from '../../support/on-cleanup.js';

// SECURITY.md: P28, P35

/**
 * What a hostile server can make a PC do by API calls: it owns the repository, so it puts any call on main
 * behind its own hooks. A real agent answers them all, and the stand-in keeps what reached it.
 */
let bridge: BridgeFixture;
let standIn: StandIn;

beforeAll(async () => {
  bridge = await startBridgeFixture();
  standIn = await startStandIn({
    models: { ollama: ['llama3.2:latest', { name: 'nomic-embed-text:latest', capabilities: ['embedding'] }] },
  });
  onCleanup(standIn.close);
});

type Call = readonly [what: string, path: string, body: unknown];

const chat = (model: string): Call => [
  `the model ${model}`,
  '/v1/chat/completions',
  { model, messages: [{ role: 'user', content: 'hello' }] },
];

/** Models that run elsewhere, or that nobody lists. */
const MODELS = [
  'gpt-oss:120b-cloud',
  'deepseek-v3.1:671b-CLOUD',
  'hf.co/some/body',
  '../../etc/passwd',
  'http://a/',
];

const CALLS: readonly Call[] = [
  ...[...FETCHED, ...RUN, ...BURNS, ...GONE].map(([what, path, body]): Call => [what, path, body]),
  ...OTHER_PATHS.map((path): Call => ['another path', path, {}]),
  ...MODELS.map(chat),
  ['a deep call', '/api/chat', { messages: nested(80) }],
  ['a body that is a list', '/api/chat', []],
];

/** What a call may end as beside what a model said. */
const REFUSALS = ['request_refused', 'invalid_task', 'backend_refused', 'model_not_found', 'cloud_model'];

/** What the agent asks of model servers by itself: what they have. */
const LOOKS = [
  '/api/tags',
  '/api/ps',
  '/api/show',
  '/api/version',
  '/api/v0/models',
  '/api/v1/models',
  '/v1/models',
];

test('hostile calls end in what a model said or in a refusal, and nothing but listed fields reaches a model server', async () => {
  const ids = await commitAllOnMain(
    bridge,
    CALLS.map(([, path, body], at) => {
      const task = { id: `hostile-${at}`, request: { path, body } };
      return { path: 'task.json', content: JSON.stringify(task) };
    }),
  );
  const tasks = new Map(ids.map((id, at) => [id, CALLS[at]?.[0] ?? '']));
  const args = ['--parallel', '4', '--openai-url', standIn.openaiUrl];
  const result = await runAgentOnce(bridge, standIn, { state: 'calls', args });
  expect(result).toMatchObject({ exitCode: 0 });

  const records = await bridge.answersLog();
  const ends = records.map((record) => ({ what: tasks.get(record.task_commit), ...record }));
  expect(ends.map(({ what }) => what).sort()).toEqual([...tasks.values()].sort());
  const odd = ends.filter(({ error }) => error !== null && !REFUSALS.includes(error.code));
  expect(odd.map(({ what, error }) => [what, error])).toEqual([]);
  const refused = ends.filter(
    ({ error }) => error?.code === 'request_refused' || error?.code === 'invalid_task',
  );
  expect(refused.length).toBeGreaterThanOrEqual(FETCHED.length + RUN.length + BURNS.length - 1);

  const listed = Object.values(standIn.models).flatMap(({ names }) => names);
  for (const { path: sent, body } of standIn.requests) {
    const path = sent.replace(/^\/openai/, '');
    if (LOOKS.includes(path)) continue;
    expect(path).toSatisfy(isRequestPath);
    const call = body as Record<string, unknown>;
    expect(judgeRequest({ path, body: call }, { maxContext: 32_768, passFields: [] })).toMatchObject({
      dropped: [],
    });
    expect(JSON.stringify(body)).not.toMatch(/https?:|file:|passwd|bashrc|num_gpu|keep_alive/i);
    expect(listed).toContain(call.model);
  }
});
