import { expect, test } from 'vitest';
import {
  askForModels,
  checkGeneration,
  judgeModels,
  judgeReach,
} from '../../../../src/admin/doctor/check-backend.js';
import { openBackends } from '../../../../src/agent/backends/backends.js';
import type { StandInOptions } from '../../../../src/demo/stand-in/start-stand-in.js';
import { BACKENDS, CHAT_PATH, MODEL, settingsFor, standInFor } from '../../agent/generate-fixture.js';

async function statesOf(name: 'ollama' | 'lmstudio', options: StandInOptions, token?: string) {
  const { ollamaUrl, lmstudioUrl } = await standInFor(options);
  const tokens = token === undefined ? {} : { lmstudio: token };
  return Promise.all((await openBackends([name], { ollamaUrl, lmstudioUrl, tokens })).map(askForModels));
}

const EMBEDDER = { name: 'nomic-embed-text:latest', capabilities: ['embedding'] };
const CLOUD = { name: 'mine:latest', remoteHost: 'https://ollama.com' };

test.each<[string, NonNullable<StandInOptions['models']>['ollama'], string | undefined, boolean, object]>([
  [
    'only embedding models',
    [EMBEDDER],
    undefined,
    false,
    { status: 'broken', text: /no model that can chat/ },
  ],
  ['only cloud models', [CLOUD], undefined, false, { status: 'broken', text: /mine:latest \(cloud\)/ }],
  ['only cloud models, and leave for them', [CLOUD], undefined, true, { status: 'broken' }],
  ['one that chats behind others', [EMBEDDER, CLOUD, 'llama3.2:latest'], undefined, false, { status: 'ok' }],
  [
    'an embedding model by name',
    [EMBEDDER],
    'nomic-embed-text',
    false,
    { status: 'broken', text: /cannot chat/ },
  ],
  ['a cloud model by an alias', [CLOUD], 'mine', false, { status: 'broken', remedy: /--allow-cloud/ }],
  ['a cloud model by an alias, and leave', [CLOUD], 'mine', true, { status: 'ok', text: /in the cloud/ }],
  ['a cloud model that is not pulled', ['llama3.2:latest'], 'big:cloud', false, { status: 'broken' }],
])('doctor judges an Ollama with %s', async (_what, ollama = [], wanted, allowCloud, expected) => {
  const [verdict] = judgeModels(await statesOf('ollama', { models: { ollama } }), wanted, allowCloud);
  expect(verdict).toMatchObject(
    Object.fromEntries(
      Object.entries(expected).map(([key, value]) => {
        return [key, value instanceof RegExp ? expect.stringMatching(value) : value];
      }),
    ),
  );
});

test('a server that wants a token is broken with what to do about it, and fine with the token', async () => {
  const [refused] = judgeReach(await statesOf('lmstudio', { token: 'sk-lm-1' }));
  expect(refused).toMatchObject({
    status: 'broken',
    text: expect.stringContaining('HTTP 401'),
    remedy: expect.stringContaining('--lmstudio-token-file'),
  });
  const [letIn] = judgeReach(await statesOf('lmstudio', { token: 'sk-lm-1' }, 'sk-lm-1'));
  expect(letIn).toMatchObject({ status: 'ok' });
});

test.each(BACKENDS)('of %s the first token counts, not that the server knows the model', async (name) => {
  let nowMs = 0;
  const standIn = await standInFor({
    behave: () => {
      nowMs = 4000;
      return {};
    },
  });
  const verdict = await checkGeneration(settingsFor(standIn, { order: [name] }), () => nowMs);
  expect(verdict).toMatchObject({
    status: 'ok',
    text: expect.stringMatching(/answered within 4 s, the first token after 4 s$/),
  });
});

test.each(BACKENDS)(
  '%s is asked for a few tokens only, and a model that spends them on thinking is fine',
  async (name) => {
    const standIn = await standInFor({
      behave: () => ({ thinking: 'one word then', answer: '', finishReason: 'length' }),
    });
    const verdict = await checkGeneration(settingsFor(standIn, { order: [name] }), () => 0);
    const asked = standIn.requests.filter(({ path }) => path === CHAT_PATH[name]);
    expect(JSON.stringify(asked.map(({ body }) => body))).toMatch(
      /"(?:num_predict|max_tokens|max_completion_tokens)":16[,}]/,
    );
    expect(asked).toHaveLength(1);
    expect(verdict).toMatchObject({
      status: 'ok',
      text: `${MODEL[name]} by ${name} thought for 16 tokens within 0 ms, the first token after 0 ms`,
    });
  },
);

test.each(BACKENDS)('of %s an answer without a word is broken all the same', async (name) => {
  const standIn = await standInFor({ behave: () => ({ answer: '' }) });
  const verdict = await checkGeneration(settingsFor(standIn, { order: [name] }), () => 0);
  expect(verdict).toMatchObject({ status: 'broken', text: expect.stringContaining('empty_answer') });
});
