import { expect, test } from 'vitest';
import { requireBackendUrls } from '../../../../../src/agent/backends/given-backends.js';

// The forms and what they mean: Ollama's own documentation and the tests of its client.
test.each([
  ['127.0.0.1', 'http://127.0.0.1:11434'],
  ['0.0.0.0', 'http://127.0.0.1:11434'],
  ['0.0.0.0:11435', 'http://127.0.0.1:11435'],
  [':11435', 'http://127.0.0.1:11435'],
  ['my-pc', 'http://my-pc:11434'],
  ['my-pc:8080', 'http://my-pc:8080'],
  ['my-pc:', 'http://my-pc:11434'],
  ['my-pc:99999', 'http://my-pc:11434'],
  ['my-pc:many', 'http://my-pc:11434'],
  ['http://my-pc', 'http://my-pc'],
  ['http://my-pc:8080', 'http://my-pc:8080'],
  ['https://my-pc', 'https://my-pc'],
  ['https://my-pc:11434', 'https://my-pc:11434'],
  ['my-pc/', 'http://my-pc:11434'],
  ['my-pc:8080/ollama/', 'http://my-pc:8080/ollama'],
  ['https://my-pc/ollama', 'https://my-pc/ollama'],
  ['::1', 'http://[::1]:11434'],
  ['[::1]', 'http://[::1]:11434'],
  ['[::1]:8080', 'http://[::1]:8080'],
  ['::', 'http://[::1]:11434'],
  ['[::]:8080', 'http://[::1]:8080'],
  ['http://[fd00::7]:8080/', 'http://[fd00::7]:8080'],
  ['"my-pc:8080"', 'http://my-pc:8080'],
  [" 'my-pc' ", 'http://my-pc:11434'],
  ['ollama.com', 'https://ollama.com'],
])('OLLAMA_HOST=%s is the default of --ollama-url as %s', (host, url) => {
  expect(requireBackendUrls({}, { OLLAMA_HOST: host })).toEqual({ ollamaUrl: url });
});

test('what the option says counts first, and an empty variable is none', () => {
  expect(requireBackendUrls({ ollamaUrl: 'other-pc' }, { OLLAMA_HOST: 'my-pc' })).toEqual({
    ollamaUrl: 'other-pc',
  });
  expect(requireBackendUrls({}, { OLLAMA_HOST: ' ' })).toEqual({});
});

test.each(['ftp://my-pc', 'http://me:hunter2@my-pc', 'my pc'])('OLLAMA_HOST=%s is wrong use', (host) => {
  const read = () => requireBackendUrls({}, { OLLAMA_HOST: host });
  expect(read).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: expect.stringMatching(/^OLLAMA_HOST (?:is no HTTP address|must not contain)/),
    }),
  );
  expect(read).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }));
});
