import { expect, test } from 'vitest';
import { modelList } from '../../../src/admin/list-models.js';
import type { WhoWorks } from '../../../src/bridge/side-refs.js';
import type { AgentModels, OfferedModel } from '../../../src/protocol/models.js';
import type { Presence } from '../../../src/protocol/presence.js';
import { aPresence } from '../../support/a-presence.js';

const NOW = Date.parse('2026-11-22T17:00:00.000Z');
const at = (agoMs: number) => new Date(NOW - agoMs).toISOString();

const presence = (agent: string, agoMs: number, more: Partial<Presence> = {}) =>
  aPresence({ agent, backends: ['ollama'], seen_at: at(agoMs), ...more });
const model = (name: string, can: string[] = []): OfferedModel => ({ name, backend: 'ollama', can });
const has = (agent: string, models: OfferedModel[]): [string, AgentModels] => [
  agent,
  { agent, at: at(0), models },
];

function list(
  agents: readonly Presence[],
  models: readonly [string, AgentModels][] = [],
  takesClaims = true,
) {
  const who: WhoWorks = { agents, running: new Map(), models: new Map(models) };
  return modelList(who, { nowMs: NOW, takesClaims });
}

test('a model is listed once, with every agent that has it, loaded or not, and when that was last seen', () => {
  const agents = [
    presence('home-pc', 1000, { loaded: ['llama3.2:latest'] }),
    presence('office', 60_000, { state: 'stopped', loaded: ['llama3.2:latest'] }),
    presence('attic', 3_600_000),
  ];
  const models = [
    has('office', [model('llama3.2:latest', ['tools']), model('qwen3:8b')]),
    has('home-pc', [model('llama3.2:latest', ['chat'])]),
    has('attic', [model('qwen3:8b')]),
    has('never', [model('qwen3:8b')]),
  ];
  expect(list(agents, models)).toEqual({
    rows: [
      {
        ...{ model: 'llama3.2:latest', backend: 'ollama', can: ['chat', 'tools'] },
        agents: [
          { name: 'home-pc', state: 'running', loaded: true, seen_at: at(1000) },
          { name: 'office', state: 'stopped', loaded: null, seen_at: at(60_000) },
        ],
      },
      {
        ...{ model: 'qwen3:8b', backend: 'ollama', can: [] },
        agents: [
          { name: 'attic', state: 'gone', loaded: null, seen_at: at(3_600_000) },
          { name: 'never', state: 'unknown', loaded: null, seen_at: null },
          { name: 'office', state: 'stopped', loaded: null, seen_at: at(60_000) },
        ],
      },
    ],
    nowMs: NOW,
    problem: null,
  });
});

test('of an agent that does not say it at length, the names of its presence are listed', () => {
  const old = presence('old-pc', 1000, { models: ['a'] });
  const twoServers = presence('two', 1000, { models: ['b'], backends: ['lmstudio', 'ollama'] });
  const rows = list([old, twoServers]).rows.map(({ model, backend, agents }) => [model, backend, agents]);
  expect(rows).toEqual([
    ['a', 'ollama', [{ name: 'old-pc', state: 'running', loaded: null, seen_at: at(1000) }]],
    ['b', null, [{ name: 'two', state: 'running', loaded: null, seen_at: at(1000) }]],
  ]);
});

test.each([
  ['nobody was ever there', list([]), /no agent has said yet/],
  ['agents do not say it', list([], [], false), /takes no claims/],
  ['a model server is away', list([presence('home-pc', 1, { backends: [] })]), /reaches no model server/],
  ['none is installed', list([presence('home-pc', 1)], [has('home-pc', [])]), /no agent has a model/],
])('where there is none, it says why: %s', (_what, { rows, problem }, why) => {
  expect(rows).toEqual([]);
  expect(problem?.text).toMatch(why);
  expect(problem?.remedy).not.toBe('');
});
