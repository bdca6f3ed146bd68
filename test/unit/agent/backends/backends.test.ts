import { expect, test } from 'vitest';
import {
  BACKENDS,
  backendNamed,
  backendTitles,
  DEFAULT_BACKEND_ORDER,
  openBackends,
  withAddress,
} from '../../../../src/agent/backends/backends.js';
import { pickBackendUrls, requireBackendUrls } from '../../../../src/agent/backends/given-backends.js';
import { camelCase, variableOf } from '../../../../src/cli/option.js';
import { BACKEND_URL_OPTIONS } from '../../../../src/cli/options/agent-options.js';
import { backendNameSchema } from '../../../../src/protocol/names.js';

test('the list has words that the protocol takes for backends, and auto tries them in its order', () => {
  for (const { name } of BACKENDS) expect(backendNameSchema.parse(name)).toBe(name);
  expect(DEFAULT_BACKEND_ORDER).toEqual(['ollama', 'lmstudio', 'openai']);
});

test.each(BACKENDS.map((one) => [one.name, one] as const))(
  'the option, the variable and the property that %s describes are those of the command line',
  (name, backend) => {
    expect(backendNamed(name)).toBe(backend);
    expect(backend.urlVariable).toBe(variableOf(backend.urlOption));
    expect(backend.urlKey).toBe(camelCase(backend.urlOption));
    const row = BACKEND_URL_OPTIONS.find((one) => one.name === backend.urlOption);
    expect(row).toMatchObject({
      hasVariable: true,
      kind: 'url',
      byDefault: expect.stringContaining(backend.defaultUrl ?? 'not asked'),
    });
  },
);

test.each(BACKENDS.map((one) => [one.name, one] as const))(
  '%s is opened at its default address, where it has one, or at the one that is given',
  async (name, { urlKey, defaultUrl }) => {
    const usual = await openBackends([name], {});
    expect(usual).toMatchObject(defaultUrl === null ? [] : [{ name, url: defaultUrl }]);
    const [elsewhere] = await openBackends([name], { [urlKey]: 'http://192.168.2.7:99/there/' });
    expect(elsewhere).toMatchObject({ name, url: 'http://192.168.2.7:99/there' });
  },
);

test('backends are opened in the order that was asked for', async () => {
  const opened = await openBackends(['lmstudio', 'ollama'], {});
  expect(opened.map(({ name }) => name)).toEqual(['lmstudio', 'ollama']);
});

test.each(BACKENDS.map((one) => [one.urlKey, one] as const))(
  'an address in %s that is none is refused before anything is opened, and names its option',
  (urlKey, { urlOption }) => {
    const wrong = { [urlKey]: 'ftp://my-pc' };
    expect(() => requireBackendUrls(wrong, {})).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(`--${urlOption}`) }),
    );
  },
);

test('a backend without an address is left out of auto, and wrong use where it was chosen', () => {
  expect(withAddress(DEFAULT_BACKEND_ORDER, {})).toEqual(
    DEFAULT_BACKEND_ORDER.filter((name) => name !== 'openai'),
  );
  const urls = { openaiUrl: 'http://127.0.0.1:8080/v1' };
  expect(withAddress(DEFAULT_BACKEND_ORDER, urls)).toEqual(DEFAULT_BACKEND_ORDER);
  expect(withAddress(['openai', 'ollama'], urls)).toEqual(['openai', 'ollama']);
  for (const order of [['openai'], ['openai', 'ollama']] as const) {
    expect(() => withAddress(order, {})).toThrow(
      expect.objectContaining({ code: 'usage', remedy: expect.stringContaining('--openai-url') }),
    );
  }
});

test('the titles of several make a sentence', () => {
  const three = ['ollama', 'lmstudio', 'openai'];
  expect(backendTitles(({ name }) => three.includes(name))).toBe('Ollama, LM Studio or a /v1 server');
  expect(backendTitles((one) => one.takesContextSize)).toBe('Ollama');
});

test('of other options only the addresses are taken', () => {
  const options = { repo: '/srv/bridge.git', ollamaUrl: 'my-pc', lmstudioUrl: undefined };
  expect(pickBackendUrls(options)).toEqual({ ollamaUrl: 'my-pc' });
});
