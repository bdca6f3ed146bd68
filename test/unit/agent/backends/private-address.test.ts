import { expect, test } from 'vitest';
import { requireBackendUrls } from '../../../../src/agent/backends/given-backends.js';
import { openaiBackend } from '../../../../src/agent/backends/openai/openai-backend.js';
import { isPrivateAddress } from '../../../../src/agent/backends/private-address.js';

// SECURITY.md: P29

const PRIVATE = [
  'http://127.0.0.1:8080/v1',
  'http://127.9.9.9',
  'http://0x7f.1/v1',
  'http://2130706433/v1',
  'http://0.0.0.0:8080',
  'http://[::1]:8080/v1',
  'http://[::]:8080/v1',
  'http://localhost:1337',
  'http://localhost./v1',
  'http://api.localhost',
  'http://10.1.2.3',
  'http://172.16.0.1',
  'http://172.31.255.255',
  'http://192.168.1.7',
  'http://169.254.1.1',
  'http://100.64.0.1',
  'http://100.127.255.255',
  'http://[fe80::1]',
  'http://[fd12:3456::1]',
  'http://[::ffff:10.0.0.1]',
  'http://my-pc:8080/v1',
  'http://MY-PC.local',
  'https://nas.home.arpa',
  'http://llama.internal',
];

const PUBLIC = [
  'https://api.openai.com/v1',
  'https://openrouter.ai/api/v1',
  'http://8.8.8.8',
  'http://172.15.0.1',
  'http://172.32.0.1',
  'http://192.169.0.1',
  'http://100.63.255.255',
  'http://100.128.0.1',
  'http://169.255.0.1',
  'http://11.0.0.1',
  'http://[2001:db8::1]',
  'http://[::ffff:8.8.8.8]',
  'http://[::2]',
  'http://local.example.com',
  'http://localhost.example.com',
  'http://127.0.0.1.example.com',
];

test.each(PRIVATE)('%s stays with the people of this network, and is asked without a word', (url) => {
  expect(isPrivateAddress(url)).toBe(true);
  expect(requireBackendUrls({ openaiUrl: url }, {})).toEqual({ openaiUrl: url });
});

test.each(PUBLIC)('%s is a third party, and wrong use without --allow-cloud', (url) => {
  expect(isPrivateAddress(url)).toBe(false);
  const refused = expect.objectContaining({
    code: 'usage',
    message: expect.stringContaining('what is asked would go to a third party'),
    remedy: expect.stringContaining('--allow-cloud'),
  });
  expect(() => requireBackendUrls({ openaiUrl: url }, {})).toThrow(refused);
  // No way leads past it: not even the list of models is asked for.
  expect(() => openaiBackend(url, { token: 'a-key' })).toThrow(refused);
  expect(requireBackendUrls({ openaiUrl: url, allowCloud: true }, {})).toEqual({ openaiUrl: url });
  expect(openaiBackend(url, { allowCloud: true }).name).toBe('openai');
});
