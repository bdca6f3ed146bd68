import { describe, expect, test } from 'vitest';
import type { GenerateSettings } from '../../../../src/agent/agent-options.js';
import { calledBackend } from '../../../../src/agent/backends/called-backend.js';
import { isCloudName } from '../../../../src/agent/backends/cloud-model.js';
import { readOffer } from '../../../../src/agent/backends/model-offer.js';
import { ollamaBackend } from '../../../../src/agent/backends/ollama/ollama-backend.js';
import { OPENAI } from '../../../../src/agent/backends/openai/openai.js';
import { inspectOpenaiModel, listOpenaiModels } from '../../../../src/agent/backends/openai/openai-models.js';
import type { StandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import type { TaskJson } from '../../../../src/protocol/task.js';
import { answerTo, chatBodies, deadUrl, settingsFor, standInFor } from '../generate-fixture.js';

// SECURITY.md: P29

test.each([
  'gpt-oss:120b-cloud',
  'gpt-oss:cloud',
  'GPT-OSS:120B-Cloud',
  'kimi-k2-cloud',
  ' gpt-oss:cloud ',
  'gpt-oss: cloud\u0085',
  'someone/model:cloud',
])('%j is the name of a cloud model', (name) => {
  expect(isCloudName(name)).toBe(true);
});

test.each(['llama3.2', 'cloud', 'cloudy:8b', 'my-cloud:8b', 'cloud/llama3.2', 'a:cloud/b', 'nimbus:cloudy'])(
  '%j is not',
  (name) => {
    expect(isCloudName(name)).toBe(false);
  },
);

const CLOUD = { name: 'gpt-oss:120b-cloud', remoteHost: 'https://ollama.com' };
/** `ollama cp gpt-oss:120b-cloud mine`: nothing in its name says where it runs. */
const ALIAS = { name: 'mine:latest', remoteHost: 'https://ollama.com' };

function stand(): Promise<StandIn> {
  // Of the third, its name alone tells.
  const ollama = [CLOUD, ALIAS, 'kimi-k2:cloud', 'llama3.2:latest'];
  const others = ['a-cloud', 'b'];
  return standInFor({ models: { ollama, lmstudio: others, openai: others } });
}

describe.each([true, false])('where a cloud model is allowed: %s', (allowCloud) => {
  test('none is ever chosen where no model is named', async () => {
    for (const order of [['ollama'], ['lmstudio'], ['openai']] as const) {
      const standIn = await stand();
      const outcome = await answerTo({ prompt: '2+2' }, settingsFor(standIn, { order, allowCloud }));
      expect(outcome).toMatchObject({ answer: '4', model: order[0] === 'ollama' ? 'llama3.2:latest' : 'b' });
    }
  });

  const WAYS: readonly (readonly [string, TaskJson, Partial<GenerateSettings>])[] = [
    ['by its name', { prompt: '2+2', model: CLOUD.name }, {}],
    ['in other letters', { prompt: '2+2', model: 'GPT-OSS:120B-CLOUD' }, {}],
    ['by an alias', { prompt: '2+2', model: 'mine:latest' }, {}],
    ['by an alias without its tag', { prompt: '2+2', model: 'Mine' }, {}],
    ['by --model of the agent', { prompt: '2+2' }, { model: CLOUD.name }],
    ['by --model with an alias', { prompt: '2+2' }, { model: 'mine' }],
    ['where the task names the backend', { prompt: '2+2', model: 'mine', backend: 'ollama' }, {}],
    ['behind LM Studio', { prompt: '2+2', model: 'a-cloud', backend: 'lmstudio' }, {}],
    ['behind another server', { prompt: '2+2', model: 'a-cloud', backend: 'openai' }, {}],
  ];
  test.each(WAYS)('one that is asked for %s', async (_how, task, changes) => {
    const standIn = await stand();
    const outcome = await answerTo(task, settingsFor(standIn, { ...changes, allowCloud }));
    if (allowCloud) {
      expect(outcome).toMatchObject({ answer: '4' });
    } else {
      expect(outcome).toMatchObject({ answer: null, error: { code: 'cloud_model' } });
      expect(outcome.error?.message).toContain('--allow-cloud');
      expect(chatBodies(standIn)).toEqual([]);
    }
  });
});

test('what no third party may read goes to none, whatever the agent is allowed and told to use', async () => {
  const standIn = await stand();
  const settings = { allowCloud: true, model: 'mine' };
  const kept = { prompt: 'a secret', local_only: true };
  const others = await answerTo(kept, settingsFor(standIn, settings));
  expect(others).toMatchObject({ answer: expect.any(String), model: 'llama3.2:latest' });
  expect(chatBodies(standIn)).toEqual([expect.objectContaining({ model: 'llama3.2:latest' })]);
  const named = await answerTo({ ...kept, model: 'mine' }, settingsFor(standIn, settings));
  expect(named).toMatchObject({ answer: null, error: { code: 'cloud_model' } });
  expect(chatBodies(standIn)).toHaveLength(1);
});

test('nobody is told of a model that this agent would not ask', async () => {
  const standIn = await stand();
  const signal = new AbortController().signal;
  const names = async (allowCloud: boolean) =>
    (await readOffer(settingsFor(standIn, { allowCloud }), signal)).models.map(({ name }) => name);
  expect(await names(false)).toEqual(['llama3.2:latest', 'b']);
  expect(await names(true)).toContain(CLOUD.name);
});

test('an offer is of the cloud alone where all servers answer, and no model of theirs runs there', async () => {
  const signal = new AbortController().signal;
  const isCloudOnly = async (ollama: readonly (typeof ALIAS | string)[], more: Partial<GenerateSettings>) => {
    const standIn = await standInFor({ models: { ollama: [...ollama], lmstudio: [], openai: [] } });
    return (await readOffer(settingsFor(standIn, more), signal)).isCloudOnly;
  };
  const allowed = { allowCloud: true, order: ['ollama'] } as const;
  expect(await isCloudOnly([ALIAS, 'kimi-k2:cloud'], allowed)).toBe(true);
  expect(await isCloudOnly([ALIAS, 'llama3.2:latest'], allowed)).toBe(false);
  expect(await isCloudOnly([], allowed)).toBe(false);
  const lmstudioUrl = await deadUrl();
  expect(await isCloudOnly([ALIAS], { allowCloud: true, order: ['ollama', 'lmstudio'], lmstudioUrl })).toBe(
    false,
  );
});

test('at an address that is not private every model is a third party, whatever its name', async () => {
  const asked: string[] = [];
  const lookups = {
    answer: async (key: string) => {
      asked.push(key);
      return { data: [{ id: 'm' }] };
    },
    forget: () => {},
  };
  const server = { ...calledBackend(OPENAI, 'https://api.example.com/v1', { lookups }), token: undefined };
  const signal = new AbortController().signal;
  expect(await listOpenaiModels(server, signal)).toMatchObject([{ name: 'm', isCloud: true }]);
  const [list] = asked.splice(0);
  await expect(inspectOpenaiModel(server, 'm', false, signal)).rejects.toMatchObject({ code: 'cloud_model' });
  expect([list, asked]).toEqual([expect.stringContaining('/v1/models'), []]);
});

test('a name that only the cloud knows is not even looked up', async () => {
  const standIn = await stand();
  const { error } = await answerTo(
    { prompt: '2+2', model: 'deepseek-v3.1:671b-cloud' },
    settingsFor(standIn),
  );
  expect(error?.code).toBe('cloud_model');
  expect(standIn.requests).toEqual([]);
});

test('the backend itself refuses, whoever calls it and by whatever way', async () => {
  const standIn = await stand();
  const backend = ollamaBackend(standIn.ollamaUrl);
  const request = {
    model: 'mine',
    strictModel: false,
    messages: [{ role: 'user' as const, content: 'a secret' }],
    images: [],
    options: {},
    format: undefined,
    maxAnswerBytes: 1000,
  };
  await expect(backend.generate(request, new AbortController().signal, () => {})).rejects.toMatchObject({
    code: 'cloud_model',
  });
  expect(JSON.stringify(standIn.requests.map(({ body }) => body))).not.toContain('a secret');
});

test('at the address of the cloud every model is one', async () => {
  const signal = new AbortController().signal;
  const backend = ollamaBackend('https://ollama.com');
  const request = {
    model: 'gpt-oss:120b',
    strictModel: true,
    messages: [{ role: 'user' as const, content: 'a secret' }],
    images: [],
    options: {},
    format: undefined,
    maxAnswerBytes: 1000,
  };
  await expect(backend.generate(request, signal, () => {})).rejects.toMatchObject({ code: 'cloud_model' });
});
