import { expect, test } from 'vitest';
import { readBackendTokens } from '../../src/agent/backends/backends.js';
import { lmstudioBackend } from '../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { bestModel } from '../../src/agent/generate/choose-model.js';
import { generateAnswer } from '../../src/agent/generate/generate-answer.js';

/**
 * What the stand-in plays, of a real LM Studio: REAL_LMSTUDIO_URL says where one listens (with `/v1`) that
 * has a model which chats; REAL_LMSTUDIO_TOKEN is its token, where it wants one. Without the first these
 * tests are skipped, and say so.
 */
const url = process.env.REAL_LMSTUDIO_URL ?? '';
const token = process.env.REAL_LMSTUDIO_TOKEN;
const real = test.skipIf(url === '');
const signal = new AbortController().signal;
const LONG = { timeout: 300_000 };

if (url === '')
  process.stderr.write('skipped: REAL_LMSTUDIO_URL does not say where a real LM Studio listens\n');

real('a model that chats is found and asked', LONG, async () => {
  const model = bestModel(await lmstudioBackend(url, { token }).listModels(signal));
  expect(model).not.toBeNull();
  const tokens = await readBackendTokens(['lmstudio'], {}, { LM_API_TOKEN: token });
  const settings = {
    order: ['lmstudio'] as const,
    lmstudioUrl: url,
    tokens,
    idleTimeoutMs: 280_000,
    totalTimeoutMs: 280_000,
    retryWindowMs: 0,
  };
  const outcome = await generateAnswer({ prompt: 'Say: yes' }, settings, signal, () => {});
  expect(outcome).toMatchObject({ error: null, backend: 'lmstudio' });
});
