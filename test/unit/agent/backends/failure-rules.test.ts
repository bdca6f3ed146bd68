import { expect, test } from 'vitest';
import { BACKENDS } from '../../../../src/agent/backends/backends.js';
import { kindOfFailure, MAX_SEARCHED_CHARS } from '../../../../src/agent/backends/failure-rules.js';
import { LMSTUDIO_FAILURES } from '../../../../src/agent/backends/lmstudio/lmstudio-failures.js';
import { OLLAMA_FAILURES } from '../../../../src/agent/backends/ollama/ollama-failures.js';
import { OPENAI_FAILURES } from '../../../../src/agent/backends/openai/openai-failures.js';

// Words as the servers say them, from the sources that the rules name.

test.each([
  ['busy', 503, 'server busy, please try again.  maximum pending requests exceeded'],
  ['busy', 500, 'server busy, please try again.  maximum pending requests exceeded'],
  ['busy', 503, 'Server overloaded, please retry shortly (ref: aaa65c70)'],
  ['busy', 500, 'unexpected server status: llm busy - no slots available'],
  ['busy', 500, 'unexpected server status: llm server loading model'],
  ['busy', 500, 'no slots available after 10 retries'],
  ['busy', 429, ''],
  ['busy', 502, '<html>Bad Gateway</html>'],
  ['lost', 504, ''],
  ['lost', 500, 'llama runner process has terminated: exit status 2'],
  ['lost', 500, 'llama runner process has terminated: %!w(<nil>)'],
  ['lost', 500, 'llama-server process has terminated: signal: killed'],
  ['lost', 500, 'llama runner process no longer running: -1 '],
  ['lost', 500, 'timed out waiting for llama runner to start - progress 1.00 - '],
  ['lost', 500, 'timed out waiting for llama-server to start: context canceled'],
  ['lost', 500, 'unexpected server status: llm server not responding'],
  ['lost', 500, 'unexpected server status: llm server error'],
  [
    'lost',
    500,
    'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details',
  ],
  ['lost', null, 'an error was encountered while running the model: unexpected EOF'],
  ['lost', null, 'something that nobody has seen yet'],
  ['final', 500, 'something that nobody has seen yet'],
  ['final', 400, 'invalid options: temperature'],
  ['final', 500, 'llama runner process has terminated: cudaMalloc failed: out of memory'],
  ['final', 500, 'model requires more system memory (5.6 GiB) than is available (4.1 GiB)'],
  ['final', null, 'CUDA error: out of memory'],
  ['final', 500, "llama runner process has terminated: error loading model: unknown model architecture: 'x'"],
  ['final', 500, 'x: this model may be incompatible with your version of Ollama.'],
] as const)('Ollama: %s is what %s with %j is', (kind, status, text) => {
  expect(kindOfFailure(OLLAMA_FAILURES, { status, text })).toBe(kind);
});

test.each([
  ['busy', 503, 'Loading model'],
  ['busy', 429, 'Too many requests'],
  ['busy', 502, ''],
  ['busy', 503, ''],
  ['lost', 504, ''],
  ['lost', null, 'Model unloaded.'],
  ['lost', 400, 'Model is unloaded.'],
  ['lost', 400, 'Model reloaded.'],
  ['lost', 400, 'The model has crashed without additional information. (Exit code: 18446744072635812000)'],
  ['lost', 500, 'Channel Error'],
  ['lost', null, 'something that nobody has seen yet'],
  ['final', 400, 'something that nobody has seen yet'],
  ['final', 400, "'response_format.type' must be 'json_schema' or 'text'"],
  ['final', 400, 'Failed to load model "x". Error: Error loading model. (Exit code: 6).'],
  ['final', 400, 'Model loading was stopped due to insufficient system resources.'],
  ['final', null, 'cudaMalloc failed: out of memory'],
  [
    'final',
    null,
    'Engine protocol runtime llama-server for mmVG exited before becoming healthy. exitCode=1, signal=null',
  ],
] as const)('LM Studio: %s is what %s with %j is', (kind, status, text) => {
  expect(kindOfFailure(LMSTUDIO_FAILURES, { status, text })).toBe(kind);
});

test.each([
  ['busy', 503, 'Loading model'],
  ['busy', 503, 'Stream owner model is loading, retry later'],
  ['busy', 503, 'no slot available'],
  ['busy', 503, 'Server is busy; please try again later.'],
  ['busy', 429, 'Rate limit reached'],
  ['lost', 500, 'EngineCore encountered an issue. See stack trace (above) for the root cause.'],
  ['lost', 500, 'Background loop has errored already.'],
  ['lost', 500, 'rpc error: code = Unavailable desc = error reading from server: EOF'],
  ['lost', 500, 'proxy error: Could not establish connection'],
  ['lost', null, 'Compute error.'],
  ['final', 500, 'Compute error.'],
  ['final', 500, 'could not load model: rpc error: code = Unavailable desc = error reading from server: EOF'],
  ['final', 500, 'CUDA out of memory. Tried to allocate 2.00 GiB.'],
  [
    'final',
    500,
    'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj',
  ],
  ['final', 400, 'response_format type must be one of "text" or "json_object", but got: x'],
] as const)('a /v1 server: %s is what %s with %j is', (kind, status, text) => {
  expect(kindOfFailure(OPENAI_FAILURES, { status, text })).toBe(kind);
});

test.each([
  ['ECONNRESET', 'lost'],
  ['EPIPE', 'lost'],
  ['ETIMEDOUT', 'lost'],
  ['EHOSTUNREACH', 'lost'],
  ['ENETDOWN', 'lost'],
  ['ECONNABORTED', 'lost'],
  ['HPE_INVALID_CONSTANT', 'lost'],
  ['ENOSPC', 'final'],
])('a socket that fails with %s is %s, whatever server it is', (wire, kind) => {
  for (const { failures } of BACKENDS) expect(kindOfFailure(failures, { wire })).toBe(kind);
});

test('every rule names its source, and something to go by', () => {
  for (const { failures } of BACKENDS) {
    for (const rule of failures) {
      expect(rule.source).toMatch(/#\d|RFC \d|\.go|nodejs\.org|llama\.cpp|koboldcpp\.py/);
      expect(rule.statuses ?? rule.wording ?? rule.wire ?? rule.inStream).toBeDefined();
    }
  }
});

test('what a server says is searched at its beginning only, so that no text of it takes long', () => {
  const busy = 'server busy';
  const behind = (chars: number) => ({ status: 500, text: `${'x'.repeat(chars)}${busy}` });
  expect(kindOfFailure(OLLAMA_FAILURES, behind(MAX_SEARCHED_CHARS - busy.length))).toBe('busy');
  expect(kindOfFailure(OLLAMA_FAILURES, behind(MAX_SEARCHED_CHARS - busy.length + 1))).toBe('final');
});
