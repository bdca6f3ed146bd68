import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PageData } from '../../../src/gateway/page-data.js';
import {
  cookieToken,
  isPageFile,
  login,
  type PageActions,
  pageData,
  pageFile,
} from '../../../src/gateway/page-routes.js';
import { BridgeError } from '../../../src/protocol/bridge-error.js';
import { tempDir } from '../../support/temp-dir.js';

const ACTIONS: PageActions = {
  cancel: async (task) => {
    if (task !== 'abcd') throw new BridgeError('no such task', { code: 'no-such-task', remedy: 'look' });
  },
  nameOf: (token) => (token === 'good' ? 'me' : null),
};
const DATA = { search: async (words: string) => [words] } as unknown as PageData;

const posted = (path: string, body: unknown) =>
  new Request(`http://127.0.0.1${path}`, { method: 'POST', body: JSON.stringify(body) });
const call = (request: Request) => pageData(request, new URL(request.url), DATA, ACTIONS);

describe('the cookie of a browser', () => {
  test.each([
    ['llm_bridge_token=abc', 'abc'],
    ['a=b; llm_bridge_token=abc', 'abc'],
    ['llm_bridge_token=abc; a=b', 'abc'],
    ['xllm_bridge_token=abc', undefined],
    ['a=llm_bridge_token=abc', undefined],
    [`llm_bridge_token=${'x'.repeat(513)}`, undefined],
    ['llm_bridge_token=', undefined],
    [undefined, undefined],
  ])('%s', (cookies, token) => {
    expect(cookieToken(cookies)).toBe(token);
  });

  test('is set for a good token alone, unseen by scripts and other sites, and is forgotten', async () => {
    const good = await login(posted('/page/login', { token: 'good' }), false, ACTIONS);
    expect(good.headers.get('set-cookie')).toMatch(
      /^llm_bridge_token=good; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const behindTls = await login(posted('/page/login', { token: 'good' }), true, ACTIONS);
    expect(behindTls.headers.get('set-cookie')).toMatch(/; Secure$/);
    const out = await login(posted('/page/login', { token: null }), false, ACTIONS);
    expect(out.headers.get('set-cookie')).toMatch(/^llm_bridge_token=; Max-Age=0;/);
    for (const token of ['bad', 'good; Domain=evil', 7, {}, 'good\r\nx: y'])
      await expect(login(posted('/page/login', { token }), false, ACTIONS)).rejects.toMatchObject({
        status: 401,
      });
  });
});

test('the files of the page are three, and nothing else of the disk is one', async () => {
  expect(['/', '/page/page.js', '/page/page.css'].map(isPageFile)).toEqual([true, true, true]);
  for (const path of ['/page/index.html', '/page/../page.js', '/page/page.js/', 'constructor', '/etc/passwd'])
    expect(isPageFile(path)).toBe(false);
  await expect(pageFile('/etc/passwd')).rejects.toMatchObject({ status: 404 });
});

test('the page may load nothing from elsewhere, run nothing inline, and be shown in no other page', async () => {
  const folder = join(await tempDir(), 'page');
  await mkdir(folder);
  await writeFile(join(folder, 'index.html'), '<p>');
  const { headers } = await pageFile('/', folder);
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
});

describe('what the page asks for', () => {
  test('a search has the words as they were typed', async () => {
    const found = await call(new Request('http://127.0.0.1/page/search?q=%D0%B4%D0%B0%20%26'));
    expect(await found.json()).toEqual(['да &']);
    expect(found.headers.get('cache-control')).toBe('no-store');
  });

  test.each([
    ['a task that is no id', posted('/page/cancel', { task: 7 }), 400],
    ['a task that is not there', posted('/page/cancel', { task: 'ffff' }), 400],
    ['a body that is no object', posted('/page/cancel', [1]), 400],
    // One that could make others would outlive its own removal in them.
    ['a new token', posted('/page/token', { name: 'bot' }), 404],
    ['something else', new Request('http://127.0.0.1/page/else'), 404],
  ])('%s is refused', async (_what, request, status) => {
    await expect(call(request)).rejects.toMatchObject({ status });
  });

  test('a task is cancelled', async () => {
    expect(await (await call(posted('/page/cancel', { task: 'abcd' }))).json()).toEqual({
      cancelled: 'abcd',
    });
  });
});
