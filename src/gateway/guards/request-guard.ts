import { isIP } from 'node:net';
import { ApiError } from '../api-errors.js';
import { type CorsSettings, isCorsOrigin } from './cors.js';

/** The settings of the guards. */
export interface GuardSettings extends CorsSettings {
  /** Names, without a port, by which clients may call us besides those of this machine. */
  readonly allowedHosts: readonly string[];
}

/** The head of a call: its line and headers, nothing of its body. */
export interface CallHead {
  readonly method: string;
  /** As it stands in the first line of the call. */
  readonly target: string;
  readonly header: (name: string) => string | undefined;
}

/**
 * Looks at a call before anything of it is used, and throws ApiError where it may not come in:
 *
 * - the path is written in any but the plain way (400)
 * - Host is no name of ours (403): such is a call of a page whose owner made its name point here, which is
 *   DNS rebinding
 * - a web page of another origin sends it (403): a page can send calls to any address, and the person who
 *   reads it does not see them
 * - its body is compressed, or of a type that the path does not take (415)
 *
 * Returns the path.
 */
export function checkCall(call: CallHead, settings: GuardSettings): string {
  const path = pathOf(call.target);
  checkHost(call.header('host'), settings.allowedHosts);
  checkOrigin(call, settings, path);
  if (call.method === 'POST') checkContent(call, path);
  return path;
}

function pathOf(target: string): string {
  const [path = ''] = target.split('?', 1);
  if (!isPlainPath(path))
    throw new ApiError(
      'the path is not written plainly: no //, no dots, nothing encoded, and no host in it',
      {
        status: 400,
        code: 'bad_path',
      },
    );
  return path;
}

/** Takes `localhost`, the names that were allowed, and addresses: nobody can make an address point here. */
function checkHost(host: string | undefined, allowed: readonly string[]): void {
  const name = hostName(host ?? '');
  if (name !== null && (name === 'localhost' || isIP(name) !== 0 || allowed.includes(name))) return;
  throw new ApiError(
    'this Host is not known here: call by localhost or by the address, or start with --allow-host NAME',
    { status: 403, code: 'host_not_allowed' },
  );
}

/** The name in a Host header, in lower case, without port and brackets; null where it is none. */
export function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::\d{1,5})?$/i.exec(host);
  const name = match?.[1] ?? match?.[2];
  return name === undefined ? null : name.toLowerCase().replace(/\.$/, '');
}

function checkOrigin(call: CallHead, settings: GuardSettings, path: string): void {
  const origin = call.header('origin');
  if (origin !== undefined) {
    if (isOwnOrigin(origin, call.header('host')) || isCorsOrigin(origin, settings)) return;
    throw foreignPage();
  }
  // A browser sends no Origin for an image or a script of a page. `none`: a person has typed the address.
  const site = call.header('sec-fetch-site');
  if (site === undefined || site === 'none' || site === 'same-origin') return;
  const isVisit = call.header('sec-fetch-mode') === 'navigate' && call.method === 'GET' && path === '/';
  if (!isVisit) throw foreignPage();
}

/** Whether the page came from this gateway. */
function isOwnOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

function foreignPage(): ApiError {
  return new ApiError(
    'a web page of another origin may not call this: start with --cors-origin ORIGIN where it is to',
    { status: 403, code: 'origin_not_allowed' },
  );
}

function checkContent({ header }: CallHead, path: string): void {
  const coding = header('content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (coding !== 'identity')
    throw new ApiError('a compressed body is not taken: send it as it is', {
      status: 415,
      code: 'unsupported_encoding',
    });
  // A call that only starts something needs no body: the official clients send none to `…/cancel`.
  if (path.endsWith('/cancel') && !hasBody(header)) return;
  const type = header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (path === '/v1/files' && type === 'multipart/form-data') return;
  if (type === 'application/json' || type.endsWith('+json')) return;
  // As `curl -d` sends it, which the pages of Ollama's API show. A page of another origin was stopped
  // before.
  if (path.startsWith('/api/') && (type === '' || type === 'application/x-www-form-urlencoded')) return;
  throw new ApiError('the body must be JSON: send content-type: application/json', {
    status: 415,
    code: 'unsupported_media_type',
  });
}

function hasBody(header: CallHead['header']): boolean {
  return (header('content-length') ?? '0') !== '0' || header('transfer-encoding') !== undefined;
}

/** What follows is the name of a model. */
const ONE_MODEL = '/v1/models/';

/**
 * Whether a path is written in the one way that is taken: no empty part, no `.` or `..`, nothing encoded. A
 * proxy in front of us must not see another path in it than we do. Only the name of a model may be encoded,
 * or have `@`, `~` or `+` in it.
 */
function isPlainPath(path: string): boolean {
  const names = path.startsWith(ONE_MODEL) ? /^(?:[\w.:@~+-]|%[0-9A-Fa-f]{2})+$/ : /^[\w.:-]+$/;
  if (path === '/') return true;
  if (!path.startsWith('/') || path.length > 512) return false;
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '.' && part !== '..' && names.test(part));
}
