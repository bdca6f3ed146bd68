import { expect, test } from 'vitest';
import { ModelRoom } from '../../../src/agent/model-room.js';
import type { AgentContext } from '../../../src/agent/open-agent.js';
import { UnpushedAnswers } from '../../../src/agent/unpushed-answers.js';
import { Workers } from '../../../src/agent/workers.js';

test('no task is started while the models are too far ahead of the pushes, but one that needs no model is', () => {
  let isBehind = true;
  const unpushed = new UnpushedAnswers([]);
  Object.defineProperty(unpushed, 'isBehind', { get: () => isBehind });
  const chosen: unknown[] = [];
  const workers = new Workers({
    session: {
      ...{ unpushed, queue: { goodAnswers: new Map(), cancelled: new Map() } },
      eachOpen: () => [],
    },
    options: { room: new ModelRoom(8), parallel: 8 },
    connection: { address: { url: 'ssh://server/bridge.git' } },
    signal: new AbortController().signal,
    queue: {},
    claims: {
      isAlone: () => true,
      knowsNobody: () => true,
      choose: ({ room, ahead, takesNoRoom }: Record<string, unknown>) => {
        chosen.push({ room, ahead, takesNoRoom: typeof takesNoRoom });
        return [];
      },
    },
  } as unknown as AgentContext);
  workers.fill();
  isBehind = false;
  workers.fill();
  expect(chosen).toEqual([
    { room: 0, ahead: 0, takesNoRoom: 'function' },
    { room: 8, ahead: 0, takesNoRoom: 'function' },
  ]);
});
