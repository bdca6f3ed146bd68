import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DEFAULT_IDLE_TIMEOUT_MS, DEFAULT_TOTAL_TIMEOUT_MS } from '../../src/agent/agent-options.js';
import { generateAnswer } from '../../src/agent/generate/generate-answer.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';

/** Past 300 s, where Node's own fetch gives up on headers and on the body alike. */
const FIRST_TOKEN_AFTER_MS = 310_000;

test.concurrent.each([
  { backend: 'ollama', headersAtOnce: false },
  { backend: 'ollama', headersAtOnce: true },
  { backend: 'lmstudio', headersAtOnce: false },
  { backend: 'lmstudio', headersAtOnce: true },
] as const)(
  'a first token after 310 s is waited for ($backend, headers at once: $headersAtOnce)',
  async ({ backend, headersAtOnce }) => {
    const standIn = await startStandIn({
      behave: () => ({ headersAtOnce, firstTokenAfter: delay(FIRST_TOKEN_AFTER_MS) }),
    });
    try {
      const startedAtMs = performance.now();
      const outcome = await generateAnswer(
        { prompt: '2+2', backend },
        {
          order: ['ollama', 'lmstudio'],
          ollamaUrl: standIn.ollamaUrl,
          lmstudioUrl: standIn.lmstudioUrl,
          idleTimeoutMs: DEFAULT_IDLE_TIMEOUT_MS,
          totalTimeoutMs: DEFAULT_TOTAL_TIMEOUT_MS,
          retryWindowMs: 0,
        },
        new AbortController().signal,
        () => {},
      );
      expect(outcome).toMatchObject({ answer: '4', error: null, backend });
      expect(performance.now() - startedAtMs).toBeGreaterThan(300_000);
    } finally {
      await standIn.close();
    }
  },
  FIRST_TOKEN_AFTER_MS + 60_000,
);
