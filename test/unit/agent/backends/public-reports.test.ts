import { expect, test } from 'vitest';
import { lmstudioBackend } from '../../../../src/agent/backends/lmstudio/lmstudio-backend.js';
import { delta, failureOf, generate, line, NDJSON, said, serverThatSays } from './raw-server.js';

// What people have reported of model servers and of programs that use them, each with the place where. The
// bodies are as reported; what is expected is what would have helped the reporter.

test('a stream of Ollama that ends in good order before done is no answer (Growth-Circle/cadis#2950)', async () => {
  const server = await serverThatSays(said('It is') + said(' 4'), NDJSON);
  expect(await failureOf(generate('ollama', server))).toMatchObject({ code: 'backend_error', kind: 'lost' });
});

test('nor is one whose last line has every figure and no done (ollama/ollama#10015)', async () => {
  const last = said('4', { eval_count: 1, prompt_eval_count: 5, total_duration: 1 });
  const server = await serverThatSays(said('It is ') + last, NDJSON);
  expect(await failureOf(generate('ollama', server))).toMatchObject({ code: 'backend_error', kind: 'lost' });
});

test('a stream that closes with status 0 in the middle of the thinking is lost, not empty (ollama/ollama#17118)', async () => {
  const thought = line({ message: { role: 'assistant', content: '', thinking: 'Two and' }, done: false });
  expect(await failureOf(generate('ollama', await serverThatSays(thought, NDJSON)))).toMatchObject({
    kind: 'lost',
  });
  const events = delta({ reasoning_content: 'Two and' });
  expect(await failureOf(generate('lmstudio', await serverThatSays(events)))).toMatchObject({ kind: 'lost' });
});

test('a model that thinks and then stops has answered nothing, and that is said (ollama/ollama#17777, vllm-project/vllm#17357)', async () => {
  const thought = line({
    message: { role: 'assistant', content: '', thinking: 'Hm. '.repeat(9) },
    done: false,
  });
  const end = line({ message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop' });
  const ollama = await failureOf(generate('ollama', await serverThatSays(thought + end, NDJSON)));
  expect(ollama.code).toBe('empty_answer');
  expect(ollama.message).toMatch(/35 characters of thinking \(finish reason: stop\)/);
  const events = `${delta({ reasoning_content: 'Hm.', content: null })}${delta({}, 'stop')}data: [DONE]\n\n`;
  const lmstudio = await failureOf(generate('lmstudio', await serverThatSays(events)));
  expect(lmstudio.code).toBe('empty_answer');
});

test('status 200 with a body that has no choices is a failure with its words (lmstudio-bug-tracker#266)', async () => {
  const body = JSON.stringify({ error: 'the model has no vision adapter', choices: [] });
  const failure = await failureOf(generate('lmstudio', await serverThatSays(body, 'application/json')));
  expect(failure).toMatchObject({ code: 'backend_error', kind: 'final' });
  expect(failure.message).toContain('no vision adapter');
});

test('status 200 for an address that is none is a failure with its words (lmstudio-bug-tracker#1879)', async () => {
  const body = JSON.stringify({ error: 'Unexpected endpoint or method. (GET /models)' });
  const { url } = await serverThatSays((_request, response) => void response.end(body));
  const failure = await failureOf(lmstudioBackend(`${url}/v1`).listModels(new AbortController().signal));
  expect(failure.message).toContain('sent a list of models that cannot be read');
});

test('an address without /v1 gets it (langgraph-agentic-scaffold#143)', async () => {
  const asked: string[] = [];
  const { url } = await serverThatSays((request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] }));
  });
  await lmstudioBackend(url).listModels(new AbortController().signal);
  expect(
    asked.every((path) => path.startsWith('/v1/') || path.startsWith('/api/v0/')),
    String(asked),
  ).toBe(true);
});

test('an error that is a word and not an object is told in its own words (phodal/auto-dev#175)', async () => {
  const words = "'messages' array must only contain objects with a 'content' field that is not empty.";
  const server = await serverThatSays(JSON.stringify({ error: words }), 'application/json', 400);
  const failure = await failureOf(generate('lmstudio', server));
  expect(failure).toMatchObject({ code: 'backend_error', kind: 'final' });
  expect(failure.message).toContain("'content' field that is not empty");
});

test('JSON is asked for by a schema, for LM Studio refuses the older form (t59688/arboris-novel#23)', async () => {
  const server = await serverThatSays(`${delta({ content: '{"a":1}' })}${delta({}, 'stop')}data: [DONE]\n\n`);
  expect((await generate('lmstudio', server, 'json')).answer).toBe('{"a":1}');
  expect(server.posted).toMatchObject([{ response_format: { type: 'json_schema' } }]);
});

test('an empty list of tool calls in every piece changes nothing (lmstudio-bug-tracker#1318)', async () => {
  const pieces = delta({ content: 'It is ', tool_calls: [] }) + delta({ content: '4', tool_calls: [] });
  const server = await serverThatSays(`${pieces}${delta({ tool_calls: [] }, 'stop')}data: [DONE]\n\n`);
  expect((await generate('lmstudio', server)).answer).toBe('It is 4');
});

test('an answer that has its finish reason is whole without [DONE] (gpustack/llama-box#2)', async () => {
  const server = await serverThatSays(delta({ content: '4' }) + delta({}, 'stop'));
  expect(await generate('lmstudio', server)).toMatchObject({ answer: '4', finishReason: 'stop' });
});

test('an overflow whose numbers stand beside its words is told with them (oobabooga/textgen#7257, llama.cpp#15780)', async () => {
  const message =
    'the request exceeds the available context size. try increasing the context size or enable context shift';
  const type = 'exceed_context_size_error';
  const body = JSON.stringify({ error: { code: 400, message, type, n_prompt_tokens: 14_429, n_ctx: 8192 } });
  const numbers = /the prompt has 14429 tokens, and the context 8192/;
  for (const server of [
    await serverThatSays(body, 'application/json', 400),
    await serverThatSays(body, 'application/json'),
    await serverThatSays(`data: ${body}\n\n`),
  ]) {
    for (const wire of ['lmstudio', 'openai'] as const) {
      expect(await failureOf(generate(wire, server))).toMatchObject({
        code: 'context_overflow',
        kind: 'final',
        message: expect.stringMatching(numbers),
      });
    }
  }
});

test('an overflow that a server calls its own fault is one all the same (ggml-org/llama.cpp#19774)', async () => {
  const error = { code: 500, message: 'Context size has been exceeded.', type: 'server_error' };
  const server = await serverThatSays(JSON.stringify({ error }), 'application/json', 500);
  expect(await failureOf(generate('openai', server))).toMatchObject({
    code: 'context_overflow',
    kind: 'final',
  });
});

test('what would fail again is not asked again: numbers that are none (ollama/ollama#15582)', async () => {
  const error = 'failed to encode response: json: unsupported value: NaN';
  const failure = await failureOf(
    generate('ollama', await serverThatSays(JSON.stringify({ error }), 'application/json', 500)),
  );
  expect(failure).toMatchObject({ code: 'backend_error', kind: 'final' });
  expect(failure.message).toContain(error);
});
