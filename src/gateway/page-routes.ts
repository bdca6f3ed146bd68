import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PACKAGE_FILES } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { ApiError } from './api-errors.js';
import type { PageData } from './page-data.js';
import { readCallBody } from './read-body.js';

/**
 * Nothing from elsewhere, nothing inline, and no other page may show this one. Pictures that a person
 * attaches are data.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page/page.css': ['page.css', 'text/css; charset=utf-8'],
};

/** The name of the cookie that keeps the token of a browser. */
const COOKIE = 'llm_bridge_token';

/** A month, in seconds. */
const COOKIE_AGE_S = 30 * 24 * 60 * 60;

/** Whether a path is one of the page's own. The page and its files hold nothing of the bridge. */
export function isPageFile(path: string): boolean {
  return Object.hasOwn(FILES, path);
}

/** The token that a browser keeps for us; undefined where there is none. */
export function cookieToken(cookies: string | undefined): string | undefined {
  return new RegExp(`(?:^|; )${COOKIE}=([\\x21-\\x3a\\x3c-\\x7e]{1,512})(?:;|$)`).exec(cookies ?? '')?.[1];
}

/** A file of the page. `folder` is where it was built. */
export async function pageFile(path_: string, folder = PACKAGE_FILES.page): Promise<Response> {
  const [file, type] = FILES[path_] ?? [];
  if (file === undefined || type === undefined) throw new ApiError('there is no such file', { status: 404 });
  const bytes = await readFile(path.join(folder, file));
  return new Response(bytes, {
    headers: {
      'content-type': type,
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'cache-control': 'no-cache',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    },
  });
}

/** What the page can have done besides reading. */
export interface PageActions {
  /** Cancels a task. */
  readonly cancel: (task: string) => Promise<void>;
  /** The name of a token; null where there is none like it. */
  readonly nameOf: (token: string) => string | null;
}

/** Answers what the page asks for, once the doors have let it in. `url` is that of the call. */
export async function pageData(request: Request, url: URL, data: PageData, actions: PageActions) {
  const { pathname } = url;
  const task = /^\/page\/task\/([0-9a-f]{4,64})$/.exec(pathname)?.[1];
  if (pathname === '/page/cancel') {
    const { task: id } = await readCallBody(request, MAX_BODY_BYTES);
    if (typeof id !== 'string') throw new ApiError('task is missing', { status: 400, param: 'task' });
    await done(actions.cancel(id));
    return json({ cancelled: id });
  }
  if (task !== undefined) return json(await data.record(task));
  if (pathname === '/page/state') return json(await data.state());
  if (pathname === '/page/search') return json(await data.search(url.searchParams.get('q') ?? ''));
  if (pathname === '/page/figures') return json(await data.figures());
  throw new ApiError(`there is nothing at ${pathname}`, { status: 404, code: 'unknown_url' });
}

/** What a person can put right is told in its own words. */
async function done<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retryable) throw error;
    throw new ApiError(`${error.message}; ${error.remedy}`, { status: 400, code: error.code });
  }
}

/** More than any of these bodies has. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Keeps a token in the browser, where no script can read it and no other site can send it, or forgets it
 * where none is given. Throws ApiError 401 for a token that is none.
 */
export async function login(request: Request, isSecure: boolean, actions: PageActions): Promise<Response> {
  const { token } = await readCallBody(request, MAX_BODY_BYTES);
  const attributes = `Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  if (token === null || token === '')
    return json({ name: null }, { 'set-cookie': `${COOKIE}=; Max-Age=0; ${attributes}` });
  const name =
    typeof token === 'string' && /^[\x21-\x3a\x3c-\x7e]{1,512}$/.test(token) ? actions.nameOf(token) : null;
  if (name === null)
    throw new ApiError('this is no token of this gateway', { status: 401, code: 'invalid_api_key' });
  return json({ name }, { 'set-cookie': `${COOKIE}=${token}; Max-Age=${COOKIE_AGE_S}; ${attributes}` });
}

function json(value: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(value, { headers: { 'cache-control': 'no-store', ...headers } });
}
