import { expect, test } from 'vitest';
import { ModelRoom } from '../../../src/agent/model-room.js';
import type { AgentContext } from '../../../src/agent/open-agent.js';
import { UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import { Workers } from '../../../src/agent/workers.js';

test('no task goes to a model while the models are too far ahead of the pushes', () => {
  let isBehind = true;
  const unpushed = new UnpushedAnswers([]);
  Object.defineProperty(unpushed, 'isBehind', { get: () => isBehind });
  const chosen: unknown[] = [];
  const workers = new Workers({
    session: {
      ...{ unpushed, queue: { goodAnswers: new Map(), cancelled: new Map() } },
      uncancelled: [],
    },
    options: { room: new ModelRoom(8), parallel: 8 },
    connection: { address: { url: 'ssh://server/bridge.git' } },
    signal: new AbortController().signal,
    queue: {},
    gate: { version: 0, isChoosing: false },
    claims: {
      isAlone: () => true,
      knowsNobody: () => true,
      knowledge: () => null,
      choose: ({ room, ahead, cancelled }: Record<string, unknown>) => {
        chosen.push({ room, ahead, cancelled });
        return [];
      },
    },
  } as unknown as AgentContext);
  workers.fill();
  isBehind = false;
  workers.fill();
  expect(chosen).toEqual([
    { room: 0, ahead: 0, cancelled: 16 },
    { room: 8, ahead: 0, cancelled: 16 },
  ]);
});
