import { expect, test } from 'vitest';
import { BackendMemory } from '../../src/agent/backends/backend-memory.js';
import { answerOf, type RealServer, realServer, variableOf } from './real-server.js';

// Ollama alone takes the context of a task: what is loaded follows what is asked.

const LONG = { timeout: 300_000 };

function real(title: string, run: (server: RealServer) => Promise<void>) {
  test(title, LONG, async ({ skip }) => {
    const server = realServer('ollama');
    if (server === null) return skip(`${variableOf('ollama')} does not say where one listens`);
    await run(server);
  });
}

/** The context that a model has in memory, as the server says. */
async function loadedContext({ url }: RealServer, model: string | null): Promise<number> {
  const said = (await (await fetch(`${url}/api/ps`)).json()) as {
    models: { name: string; context_length?: number }[];
  };
  return said.models.find(({ name }) => name === model)?.context_length ?? 0;
}

real('a longer prompt gets a larger context, and a short one after it keeps that', async (server) => {
  const memory = new BackendMemory();
  const prompt = `${'lore '.repeat(4500)}Say: yes`;
  const long = await answerOf(server, { prompt, options: { max_tokens: 4 } }, { maxContext: 16_384, memory });
  expect(long).toMatchObject({ error: null });
  expect(long.usage?.prompt_tokens).toBeGreaterThan(4200);
  const context = await loadedContext(server, long.model);
  expect(context).toBeGreaterThanOrEqual(8192);
  expect(await answerOf(server, { prompt: 'Say: yes' }, { maxContext: 16_384, memory })).toMatchObject({
    error: null,
  });
  expect(await loadedContext(server, long.model)).toBe(context);
});

real(
  'a prompt with more tokens than was estimated is refused, never cut, and asked again',
  async (server) => {
    // Half a token a piece by the estimate, and one or two for any tokenizer.
    const dense = Array.from({ length: 5000 }, (_, index) => '~^#@|'[index % 5]).join(' ');
    const outcome = await answerOf(
      server,
      { prompt: `${dense} Say: yes`, options: { max_tokens: 4 } },
      { maxContext: 16_384 },
    );
    expect(outcome.error).toBeNull();
    expect(outcome.usage?.prompt_tokens).toBeGreaterThan(4096);
  },
);
