import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { PACKAGE_FILES } from '../process/own-package.js';
import { ApiError } from './api-errors.js';

/**
 * Nothing from elsewhere, nothing inline, and no other page may show this one. Pictures that a person
 * attaches are `data:` URLs.
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

/** Whether a path is one of the page's own. The page and its files hold nothing of the bridge. */
export function isPageFile(path: string): boolean {
  return Object.hasOwn(FILES, path);
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
