import { expect, test } from 'vitest';
import {
  type AgentModels,
  agentOfModelsRef,
  MAX_MODELS,
  MAX_MODELS_BYTES,
  modelsRef,
  type OfferedModel,
  readModels,
  writeModels,
} from '../../../src/protocol/models.js';
import {
  MAX_PRESENCE_BYTES,
  type Presence,
  readPresence,
  writePresence,
} from '../../../src/protocol/presence.js';

const model = (name: string, other: Partial<OfferedModel> = {}): OfferedModel => ({
  name,
  backend: 'ollama',
  can: ['chat'],
  ...other,
});
const said = (models: readonly OfferedModel[]): AgentModels => ({
  agent: 'home-pc',
  at: '2026-11-22T17:00:00.000Z',
  models: [...models],
});

test('the same models in another order are the same bytes', () => {
  const models = [model('b'), model('a', { backend: 'lmstudio' }), model('a')];
  const bytes = writeModels(said(models));
  expect(writeModels(said(models.toReversed()))).toEqual(bytes);
  expect(readModels(bytes)).toEqual({
    ok: true,
    value: said([models[1], models[2], models[0]].flatMap((one) => one ?? [])),
  });
});

test('however much an agent has, what it says can be read, and says what it can', () => {
  const many = Array.from({ length: MAX_MODELS + 50 }, (_, n) =>
    model(`model-${String(n).padStart(3, '0')}`),
  );
  const read = readModels(writeModels(said(many)));
  expect(read).toEqual({ ok: true, value: said(many.slice(0, MAX_MODELS)) });

  const long = Array.from({ length: MAX_MODELS }, (_, n) =>
    model(`${String(n).padStart(3, '0')}${'🦙'.repeat(253)}`),
  );
  const bytes = writeModels(said(long));
  expect(bytes.length).toBeLessThanOrEqual(MAX_MODELS_BYTES);
  const kept = readModels(bytes);
  expect(kept).toEqual({ ok: true, value: said(long.slice(0, kept.ok ? kept.value.models.length : 0)) });
  // Not one less than there is room for.
  const size = Buffer.byteLength(JSON.stringify(long[0])) + 1;
  expect(MAX_MODELS_BYTES - bytes.length).toBeLessThan(size);
});

test('a model whose name cannot be told is left out, and the others are told', () => {
  const bad = ['', 'x'.repeat(257), 'a\nb', '\u001b[31mred', 'a\u202eb', 'half \ud800', ' padded '];
  const models = [...bad.map((name) => model(name)), model('good'), model('x', { backend: 'No Word' })];
  expect(readModels(writeModels(said(models)))).toEqual({ ok: true, value: said([model('good')]) });
});

test.each(['a', 'home-pc', 'A.b_c-9', 'lock', 'x.locks'])('%s has a ref', (name) => {
  expect(agentOfModelsRef(modelsRef(name))).toBe(name);
});

test.each([
  ...['refs/bridge/models/', 'refs/bridge/models/a/b', 'refs/bridge/models/-a', 'refs/bridge/agents/a'],
  ...['refs/bridge/models/a..b', 'refs/bridge/models/a.', 'refs/bridge/models/a.lock'],
])('%s has the models of nobody', (ref) => {
  expect(agentOfModelsRef(ref)).toBeNull();
});

test('which models are in memory gives way in a presence to what is done, and to nothing else', () => {
  const presence: Presence = {
    ...{ agent: 'home-pc', session: '0'.repeat(16), state: 'running', version: '1', backends: ['ollama'] },
    ...{ models: Array.from({ length: 20 }, () => 'я'.repeat(100)), parallel: 1, busy: [] },
    ...{ started_at: '2026-11-22T17:00:00.000Z', seen_at: '2026-11-22T17:00:00.000Z' },
  };
  const named = Array.from({ length: 9 }, (_, n) => `${n}${'🦙'.repeat(99)}`);
  const bytes = writePresence({ ...presence, loaded: ['', 'x'.repeat(101), 'a\ud800', ...named] });
  expect(bytes.length).toBeLessThanOrEqual(MAX_PRESENCE_BYTES);
  expect(readPresence(bytes)).toMatchObject({
    ok: true,
    value: { loaded: ['a\ufffd', ...named.slice(0, 7)] },
  });
  const none = readPresence(writePresence({ ...presence, loaded: [] }));
  expect(none.ok && 'loaded' in none.value).toBe(false);
});
