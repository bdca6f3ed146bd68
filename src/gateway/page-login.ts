import { ApiError } from './api-errors.js';
import type { PageActions } from './page-data.js';
import { privateJson } from './private-json.js';
import { readCallBody } from './read-body.js';

/** The name of the cookie that keeps the token of a browser. */
const COOKIE = 'llm_bridge_token';

/** A month, in seconds. */
const COOKIE_AGE_S = 30 * 24 * 60 * 60;

/** More than the body has. */
const MAX_BODY_BYTES = 64 * 1024;

/** The token that a browser keeps for us; undefined where there is none. */
export function cookieToken(cookies: string | undefined): string | undefined {
  return new RegExp(`(?:^|; )${COOKIE}=([\\x21-\\x3a\\x3c-\\x7e]{1,512})(?:;|$)`).exec(cookies ?? '')?.[1];
}

/**
 * Keeps a token in the browser, where no script can read it and no other site can send it, or forgets it
 * where none is given. Throws ApiError 401 for a token that is none.
 */
export async function login(
  request: Request,
  isSecure: boolean,
  actions: Pick<PageActions, 'nameOf'>,
): Promise<Response> {
  const { token } = await readCallBody(request, MAX_BODY_BYTES);
  const attributes = `Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  if (token === null || token === '')
    return privateJson({ name: null }, { headers: { 'set-cookie': `${COOKIE}=; Max-Age=0; ${attributes}` } });
  const name =
    typeof token === 'string' && /^[\x21-\x3a\x3c-\x7e]{1,512}$/.test(token) ? actions.nameOf(token) : null;
  if (name === null)
    throw new ApiError('this is no token of this gateway', { status: 401, code: 'invalid_api_key' });
  const cookie = `${COOKIE}=${token}; Max-Age=${COOKIE_AGE_S}; ${attributes}`;
  return privateJson({ name }, { headers: { 'set-cookie': cookie } });
}
