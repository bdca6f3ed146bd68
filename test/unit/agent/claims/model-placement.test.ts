import { expect, test } from 'vitest';
import {
  elsewhere,
  leftTo,
  type ModelKnowledge,
  NO_MODELS,
  ownModels,
} from '../../../../src/agent/claims/model-placement.js';
import type { OfferedModel } from '../../../../src/protocol/models.js';

const model = (name: string, backend = 'ollama'): OfferedModel => ({ name, backend, can: [] });
const offer = (names: readonly OfferedModel[], silent: readonly string[] = []) => {
  return { backends: ['ollama'], silent, models: names, chatModels: [], loaded: [], isCloudOnly: false };
};

/** What the server knows of each agent, and what the model servers of home-pc offer. */
function knowing(
  agents: Record<string, readonly OfferedModel[]>,
  own: ModelKnowledge['offer'] = offer([]),
): ModelKnowledge {
  const models = Object.entries(agents).map(([agent, list]) => {
    const said = { agent, at: '2026-11-22T17:00:00.000Z', models: [...list] };
    return [agent, { id: agent, models: said }] as const;
  });
  return { ...NO_MODELS, models: new Map(models), offer: own };
}

test.each([
  ['llama3.2', model('llama3.2:latest'), true],
  ['LLAMA3.2:latest', model('llama3.2:latest'), true],
  ['llama3.2:1b', model('llama3.2:latest'), false],
  ['qwen3-8b', model('qwen/qwen3-8b@q4_k_m', 'lmstudio'), true],
  ['qwen/qwen3-8b', model('qwen3-8b:2', 'lmstudio'), true],
  ['other/qwen3-8b', model('qwen/qwen3-8b', 'lmstudio'), false],
  ['Qwen3', model('Qwen3', 'one-that-is-not-known'), true],
  ['qwen3', model('Qwen3', 'one-that-is-not-known'), false],
])('%s is listed as %j: %j', (asked, listed, isListed) => {
  expect(leftTo({ model: asked }, knowing({ office: [listed] }), 'home-pc')).toEqual(
    isListed ? ['office'] : [],
  );
});

test('a task that names a kind of model server is left to agents that have the model there', () => {
  const knowledge = knowing({ office: [model('m')], attic: [model('m', 'lmstudio')] });
  expect(leftTo({ model: 'm', backend: 'lmstudio' }, knowledge, 'home-pc')).toEqual(['attic']);
  expect(leftTo({ model: 'm', backend: 'other' }, knowledge, 'home-pc')).toEqual([]);
  expect(leftTo({ model: 'm' }, knowledge, 'home-pc')).toEqual(['office', 'attic']);
  // What it said itself is no other agent's.
  expect(leftTo({ model: 'm' }, knowing({ 'home-pc': [model('m')] }), 'home-pc')).toEqual([]);
});

test('of a model server that does not answer, what it had stays; of one that is not used any more, nothing does', () => {
  const before = { 'home-pc': [model('a'), model('b', 'lmstudio'), model('c', 'gone')] };
  expect(ownModels(knowing(before, offer([model('d')], ['lmstudio'])), 'home-pc')).toEqual([
    model('d'),
    model('b', 'lmstudio'),
  ]);
  expect(ownModels(knowing(before, null), 'home-pc')).toBeNull();
  expect(ownModels(knowing({}, { ...offer([], ['ollama']), backends: [] }), 'home-pc')).toBeNull();
  expect(ownModels(knowing({}, offer([])), 'home-pc')).toEqual([]);
});

test('what there is elsewhere is told by model, bounded, and not at all where it is nothing', () => {
  const agents = { office: [model('b'), model('a')], attic: [model('a'), model('a', 'lmstudio')] };
  expect(elsewhere(knowing({ ...agents, 'home-pc': [model('z')] }), 'home-pc')).toBe(
    'b on office; a on office, attic',
  );
  expect(elsewhere(knowing({ 'home-pc': [model('z')], office: [] }), 'home-pc')).toBeNull();
  const many = Array.from({ length: 200 }, (_, n) => model(`model-${n}`));
  expect(elsewhere(knowing({ office: many }), 'home-pc')).toHaveLength(400);
});
