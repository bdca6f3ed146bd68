import { expect, test, vi } from 'vitest';
import { lmstudioBackend } from '../../../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { MODEL, standInFor } from '../generate-fixture.js';

// In a file of its own: the client keeps the console methods it first found, so only the first test can
// watch them.
test('the OpenAI client prints nothing, whatever its environment says: prompts and answers stay out of the log', async () => {
  vi.stubEnv('OPENAI_LOG', 'debug');
  onCleanup(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });
  const methods = (['debug', 'info', 'log', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name));
  const standIn = await standInFor({ behave: () => ({ fault: { afterChunks: 1, kind: 'malformed' } }) });
  const request = {
    model: MODEL.lmstudio,
    strictModel: true,
    messages: [{ role: 'user' as const, content: 'a secret' }],
    images: [],
    options: {},
    format: undefined,
    maxAnswerBytes: 1024 * 1024,
  };
  const generation = lmstudioBackend(standIn.lmstudioUrl).generate(
    request,
    new AbortController().signal,
    () => {},
  );
  await expect(generation).rejects.toThrow('not JSON');
  for (const method of methods) expect(method).not.toHaveBeenCalled();
});
