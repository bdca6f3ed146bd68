import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BACKENDS, openBackends } from '../../../../src/agent/backends/backends.js';
import { readBackendTokens } from '../../../../src/agent/backends/given-backends.js';
import { camelCase } from '../../../../src/cli/option.js';
import { BACKEND_TOKEN_OPTIONS } from '../../../../src/cli/options/agent-options.js';
import { onCleanup } from '../../../support/on-cleanup.js';
import { answerTo, settingsFor, standInFor } from '../generate-fixture.js';

// SECURITY.md: P30

const TOKEN = 'sk-lm-abcdefgh:0123456789';
const signal = new AbortController().signal;

async function tokenFile(text: string | Buffer, mode = 0o600): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'llm-bridge-token-'));
  onCleanup(() => rm(folder, { recursive: true }));
  const file = join(folder, 'token');
  await writeFile(file, text);
  await chmod(file, mode);
  return file;
}

test('the option of every token has its row, and no variable or file stands for a second server', () => {
  const sources = BACKENDS.flatMap(({ token }) => (token === null ? [] : [token]));
  expect(BACKEND_TOKEN_OPTIONS.map(({ name }) => name)).toEqual(sources.map((one) => one.fileOption));
  for (const { fileOption, fileKey } of sources) expect(fileKey).toBe(camelCase(fileOption));
});

test.each([
  ['a byte order mark', Buffer.from(`\ufeff${TOKEN}\r\n`, 'utf8')],
  ['UTF-16, as PowerShell writes it', Buffer.from(`\ufeff${TOKEN}\r\n`, 'utf16le')],
])('a token in a file with %s is the token', async (_what, bytes) => {
  const files = { lmstudioTokenFile: await tokenFile(bytes) };
  expect(await readBackendTokens(['lmstudio'], files, {})).toEqual({ lmstudio: TOKEN });
});

test('a token comes from its file, else from LM_API_TOKEN, and only for a server that is used', async () => {
  const file = await tokenFile(`${TOKEN}\n`);
  const env = { LM_API_TOKEN: 'from-the-variable' };
  const read = (order: readonly ('ollama' | 'lmstudio')[], files: object) =>
    readBackendTokens(order, files, env);
  expect(await read(['ollama', 'lmstudio'], { lmstudioTokenFile: file })).toEqual({ lmstudio: TOKEN });
  expect(await read(['lmstudio'], {})).toEqual({ lmstudio: 'from-the-variable' });
  expect(await read(['ollama'], { lmstudioTokenFile: file })).toEqual({});
  expect(await readBackendTokens(['lmstudio'], {}, { LM_API_TOKEN: ' ' })).toEqual({});
});

test.each([
  ['that others can read', TOKEN, 0o640, /others can read .*which is a secret/],
  ['with two words', `${TOKEN} and more`, 0o600, /is no token: it must be one word/],
  ['with nothing', '\n', 0o600, /there is no token in/],
  ['as long as a program', 'x'.repeat(5000), 0o600, /has 5000 bytes, and is no token/],
])('a file %s is wrong use, and what is in it is not told', async (_what, text, mode, message) => {
  const file = await tokenFile(text, mode);
  const error: unknown = await readBackendTokens(['lmstudio'], { lmstudioTokenFile: file }, {}).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'usage', message: expect.stringMatching(message) });
  expect(String(error)).not.toContain(TOKEN);
});

test('a file that is missing, or a folder, is wrong use', async () => {
  for (const lmstudioTokenFile of ['/nowhere/token', tmpdir()]) {
    const read = readBackendTokens(['lmstudio'], { lmstudioTokenFile }, {});
    await expect(read).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/--lmstudio-token/),
    });
  }
});

test('LM Studio that wants a token gets it with every request, and no other server does', async () => {
  const standIn = await standInFor({ token: TOKEN });
  const settings = settingsFor(standIn, { tokens: { lmstudio: TOKEN } });
  for (const backend of ['lmstudio', 'ollama'] as const) {
    expect(await answerTo({ prompt: '2+2', backend }, settings)).toMatchObject({ answer: '4', backend });
  }
  for (const { path, headers } of standIn.requests) {
    const isOfOllama = path.startsWith('/api/') && !path.startsWith('/api/v0/');
    expect(headers.authorization).toBe(isOfOllama ? undefined : `Bearer ${TOKEN}`);
  }
});

test.each([
  ['without a token', undefined, 'make a token in LM Studio'],
  ['with another token', 'sk-old', 'make another token, or allow this one more, in LM Studio'],
])(
  'LM Studio that wants a token is backend_unauthorized %s, with what to do',
  async (_how, token, remedy) => {
    const standIn = await standInFor({ token: TOKEN });
    const settings = settingsFor(standIn, token === undefined ? {} : { tokens: { lmstudio: token } });
    const { error } = await answerTo({ prompt: '2+2', backend: 'lmstudio' }, settings);
    expect(error?.code).toBe('backend_unauthorized');
    expect(error?.message).toMatch(/HTTP 401: An LM Studio API token is required/);
    expect(error?.message).toContain(`; try: ${remedy}`);
    expect(error?.message).toContain('LM_API_TOKEN, or --lmstudio-token-file FILE');
  },
);

test.each([401, 403, 500])(
  'a server that repeats the token in HTTP %i, or in its stream, does not make it known',
  async (status) => {
    const body = JSON.stringify({ error: { message: `no such token: ${TOKEN}` } });
    for (const behaviour of [
      { refuse: { kind: 'http', status, body } as const },
      { fault: { afterChunks: 1, kind: 'error', message: `no such token: ${TOKEN}` } as const },
    ]) {
      const standIn = await standInFor({ token: TOKEN, behave: () => behaviour });
      const outcome = await answerTo(
        { prompt: '2+2', backend: 'lmstudio' },
        settingsFor(standIn, { tokens: { lmstudio: TOKEN } }),
      );
      expect(outcome.error?.message).toContain('no such token: (the token)');
      expect(JSON.stringify(outcome)).not.toContain(TOKEN);
    }
  },
);

test('a backend does not show its token to whoever prints it', async () => {
  const [backend] = await openBackends(['lmstudio'], { tokens: { lmstudio: TOKEN } });
  expect(JSON.stringify(backend)).not.toContain(TOKEN);
  await expect(backend?.listModels(AbortSignal.abort(new Error('stop'))) ?? signal).rejects.toThrow('stop');
});
