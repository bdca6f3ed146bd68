import { expect, test } from 'vitest';
import type { GenerateSettings } from '../../../src/agent/agent-options.js';
import { warnOfModels } from '../../../src/agent/warn-of-models.js';
import type { StandInOptions } from '../../../src/demo/stand-in/start-stand-in.js';
import { deadUrl, settingsFor, standInFor } from './generate-fixture.js';

const MODELS = {
  ollama: [
    'llama3.2:latest',
    { name: 'nomic-embed-text:latest', capabilities: ['embedding'] },
    { name: 'gpt-oss:120b-cloud', remoteHost: 'https://ollama.com' },
  ],
  lmstudio: ['qwen/qwen3-8b'],
};

async function warningsFor(
  changes: Partial<GenerateSettings>,
  models: StandInOptions['models'] = MODELS,
): Promise<string[]> {
  const standIn = await standInFor({ models });
  const lines: string[] = [];
  const options = {
    generate: settingsFor(standIn, changes),
    log: (level: string, text: string) => void lines.push(`${level}: ${text}`),
  };
  await warnOfModels(options, new AbortController().signal);
  return lines;
}

const THERE =
  'ollama has llama3.2:latest, nomic-embed-text:latest (cannot chat), gpt-oss:120b-cloud (cloud); lmstudio has qwen/qwen3-8b';

test.each<[string, Partial<GenerateSettings>, string]>([
  ['on no backend', { model: 'nope' }, `--model nope is on none of the model servers that answer; ${THERE}`],
  ['one for embeddings', { model: 'nomic-embed-text' }, `--model nomic-embed-text cannot chat; ${THERE}`],
  [
    'a cloud model',
    { model: 'gpt-oss:120b-cloud' },
    `--model gpt-oss:120b-cloud does not run here, and tasks will fail without --allow-cloud; ${THERE}`,
  ],
])('a model that is %s is warned of at the start, with what there is', async (_what, changes, text) => {
  expect(await warningsFor(changes)).toEqual([`warn: ${text}`]);
});

test.each<[string, Partial<GenerateSettings>]>([
  ['on the first backend', { model: 'llama3.2' }],
  ['on the other backend', { model: 'qwen3-8b' }],
  ['a cloud model that is allowed', { model: 'gpt-oss:120b-cloud', allowCloud: true }],
  ['not named', {}],
])('a model that is %s is not warned of', async (_what, changes) => {
  expect(await warningsFor(changes)).toEqual([]);
});

test('where no model can answer tasks that name none, it is said', async () => {
  const models = { ollama: MODELS.ollama.slice(1), lmstudio: [] };
  expect(await warningsFor({}, models)).toEqual([
    'warn: tasks that name no model will fail: no model that can chat is installed; there is nomic-embed-text:latest (cannot chat), gpt-oss:120b-cloud (cloud)',
  ]);
});

test('nothing is said of what nobody can know yet', async () => {
  const url = await deadUrl();
  expect(await warningsFor({ model: 'nope', ollamaUrl: url, lmstudioUrl: url })).toEqual([]);
});
