import { describe, expect, test } from 'vitest';
import { cookieToken, login } from '../../../src/gateway/page-login.js';

const ACTIONS = { nameOf: (token: string) => (token === 'good' ? 'me' : null) };

const posted = (body: unknown) =>
  new Request('http://127.0.0.1/page/login', { method: 'POST', body: JSON.stringify(body) });

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
    const good = await login(posted({ token: 'good' }), false, ACTIONS);
    expect(good.headers.get('set-cookie')).toMatch(
      /^llm_bridge_token=good; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const behindTls = await login(posted({ token: 'good' }), true, ACTIONS);
    expect(behindTls.headers.get('set-cookie')).toMatch(/; Secure$/);
    const out = await login(posted({ token: null }), false, ACTIONS);
    expect(out.headers.get('set-cookie')).toMatch(/^llm_bridge_token=; Max-Age=0;/);
    for (const token of ['bad', 'good; Domain=evil', 7, {}, 'good\r\nx: y'])
      await expect(login(posted({ token }), false, ACTIONS)).rejects.toMatchObject({
        status: 401,
      });
  });
});
