import { isRequestPath, type RequestPath } from '../protocol/request.js';

/** What the gateway does with a path. `methods` are those it takes there, in the order of an Allow header. */
export type Endpoint =
  | { readonly kind: 'generate'; readonly path: RequestPath; readonly methods: readonly string[] }
  | { readonly kind: 'own'; readonly methods: readonly string[] }
  /** What watches over us asks for. */
  | { readonly kind: 'watch'; readonly methods: readonly string[] }
  /** What the page asks for. */
  | { readonly kind: 'page'; readonly methods: readonly string[] }
  /** Those APIs have it, and a bridge does not. `why` is a sentence for a person. */
  | { readonly kind: 'not-here'; readonly why: string }
  | { readonly kind: 'unknown' };

/** What is answered here, from what agents have said; whatever begins with the last is one model. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  '/': ['GET', 'HEAD'],
  '/v1/models': ['GET', 'HEAD'],
  '/api/tags': ['GET', 'HEAD'],
  '/api/ps': ['GET', 'HEAD'],
  '/api/version': ['GET', 'HEAD'],
  '/api/show': ['POST'],
};
const ONE_MODEL = '/v1/models/';

const MODELS_ARE_AT_HOME =
  'the models of a bridge belong to its agents: change them on the PC that has them, with its own programs';
const ONLY_TEXT = 'a bridge carries questions to language models, and no such call';
const NOTHING_STORED =
  'no call is kept on this side by an id: send the whole conversation; git log of the bridge has the record';

/** What these APIs have and a bridge does not, by the beginning of the path. */
const NOT_HERE: readonly (readonly [prefix: string, why: string])[] = [
  ...['pull', 'create', 'delete', 'push', 'copy', 'blobs'].map(
    (word) => [`/api/${word}`, MODELS_ARE_AT_HOME] as const,
  ),
  ...['me', 'signout', 'web_search', 'web_fetch'].map((word) => [`/api/${word}`, ONLY_TEXT] as const),
  ['/v1/messages/count_tokens', 'only the model counts its tokens: usage stands in its answers'],
  ['/v1/messages/batches', 'batches are not taken yet: send the calls one by one, they wait in line'],
  ['/v1/batches', 'batches are not taken yet: send the calls one by one, they wait in line'],
  ['/v1/files', 'files are not taken yet: put the text into the call'],
  ['/v1/responses', NOTHING_STORED],
  ['/v1/chat/completions', NOTHING_STORED],
  ['/v1/conversations', NOTHING_STORED],
  ['/v1/complete', 'this API was replaced by its own owner: send /v1/messages'],
  ...[
    'assistants',
    'audio',
    'containers',
    'evals',
    'fine_tuning',
    'images',
    'moderations',
    'organization',
    'organizations',
    'realtime',
    'rerank',
    'threads',
    'uploads',
    'vector_stores',
    'videos',
  ].map((word) => [`/v1/${word}`, ONLY_TEXT] as const),
];

/** What the gateway does with a path, which is as it came, without its query. */
export function endpointOf(path: string): Endpoint {
  if (isRequestPath(path)) return { kind: 'generate', path, methods: ['POST'] };
  const own = Object.hasOwn(OWN, path) ? OWN[path] : undefined;
  if (own !== undefined) return { kind: 'own', methods: own };
  if (path.startsWith(ONE_MODEL) && path.length > ONE_MODEL.length)
    return { kind: 'own', methods: ['GET', 'HEAD'] };
  if (path === '/health' || path === '/metrics') return { kind: 'watch', methods: ['GET', 'HEAD'] };
  const page = pageMethods(path);
  if (page !== null) return { kind: 'page', methods: page };
  const found = NOT_HERE.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`));
  return found === undefined ? { kind: 'unknown' } : { kind: 'not-here', why: found[1] };
}

/** What the page sends, and what it reads. */
const PAGE_POSTS = ['/page/cancel', '/page/login'];
const PAGE_GETS = ['/page/page.js', '/page/page.css', '/page/state', '/page/search', '/page/figures'];

function pageMethods(path: string): readonly string[] | null {
  if (PAGE_POSTS.includes(path)) return ['POST'];
  return PAGE_GETS.includes(path) || /^\/page\/task\/[0-9a-f]{4,64}$/.test(path) ? ['GET', 'HEAD'] : null;
}

/**
 * Whether a path is written in the one way that is taken: no empty part, no `.` or `..`, nothing encoded. A
 * proxy in front of us and we must not see two different paths in one. Only the name of a model may be
 * encoded, or have a `/` or `:` in it.
 */
export function isPlainPath(path: string): boolean {
  const names = path.startsWith(ONE_MODEL) ? /^(?:[\w.:@~+-]|%[0-9A-Fa-f]{2})+$/ : /^[\w.:-]+$/;
  if (path === '/') return true;
  if (!path.startsWith('/') || path.length > 512) return false;
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '.' && part !== '..' && names.test(part));
}
