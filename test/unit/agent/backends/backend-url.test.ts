import { expect, test } from 'vitest';
import { LMSTUDIO, parseLmstudioUrl } from '../../../../src/agent/backends/lmstudio/lmstudio.js';
import { OLLAMA, parseOllamaUrl } from '../../../../src/agent/backends/ollama/ollama.js';

test.each([
  [OLLAMA.defaultUrl, 'http://127.0.0.1:11434'],
  ['http://127.0.0.1:11434/', 'http://127.0.0.1:11434'],
  ['127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ['localhost:11434', 'http://localhost:11434'],
  ['my-pc', 'http://my-pc:11434'],
  [' [::1]:11434 ', 'http://[::1]:11434'],
  ['https://my-pc/ollama/', 'https://my-pc/ollama'],
])('ollama at %s is %s', (text, url) => {
  expect(parseOllamaUrl(text)).toBe(url);
});

test.each([
  [LMSTUDIO.defaultUrl, 'http://127.0.0.1:1234/v1'],
  ['http://127.0.0.1:1234/v1/', 'http://127.0.0.1:1234/v1'],
  ['http://127.0.0.1:1234', 'http://127.0.0.1:1234/v1'],
  ['my-pc', 'http://my-pc:1234/v1'],
  ['http://my-pc:8080/lm/v1//', 'http://my-pc:8080/lm/v1'],
])('LM Studio at %s is %s', (text, url) => {
  expect(parseLmstudioUrl(text)).toBe(url);
});

test.each(['', 'http://', 'ftp://my-pc', 'file:///etc/passwd', 'http://my pc', 'my-pc:99999'])(
  'an address like "%s" is wrong use',
  (text) => {
    expect(() => parseOllamaUrl(text)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => parseLmstudioUrl(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  },
);

test.each(['http://me:hunter2@my-pc', 'htp://me:hunter2@my-pc', 'http://me:hunter2@my pc'])(
  'the password in %s is refused, and not repeated',
  (address) => {
    expect(() => parseOllamaUrl(address)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.not.stringContaining('hunter2') }),
    );
  },
);
