import { describe, expect, test } from 'vitest';
import type { GenerateSettings } from '../../../../src/agent/agent-options.js';
import { isCloudName } from '../../../../src/agent/backends/cloud-model.js';
import { ollamaBackend } from '../../../../src/agent/backends/ollama/ollama-backend.js';
import type { StandIn } from '../../../../src/demo/stand-in/start-stand-in.js';
import type { TaskJson } from '../../../../src/protocol/task.js';
import { answerTo, chatBodies, settingsFor, standInFor } from '../generate-fixture.js';

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
  return standInFor({ models: { ollama, lmstudio: ['a-cloud', 'b'] } });
}

describe.each([true, false])('where a cloud model is allowed: %s', (allowCloud) => {
  test('none is ever chosen where no model is named', async () => {
    for (const order of [['ollama'], ['lmstudio']] as const) {
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
