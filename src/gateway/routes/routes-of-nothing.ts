import { ApiError } from '../api-errors.js';
import type { GatewayApp } from '../gateway-parts.js';

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
  ['/v1/messages/batches', 'batches are taken in the form of the other API: /v1/batches'],
  ['/v1/batches', 'a batch can be read and cancelled, and nothing else'],
  ['/v1/files', 'a file can be read, with its content, and deleted, and nothing else'],
  ['/v1/responses', 'a response, its stream and its input_items can be read, and it can be cancelled'],
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

/** Answers whatever is not here: 501 for what these APIs have and a bridge does not, 404 for the rest. */
export function addRoutesOfNothing(app: GatewayApp): void {
  app.all('*', (c) => {
    const { path } = c.req;
    const found = NOT_HERE.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`));
    if (found === undefined)
      throw new ApiError(`there is nothing at ${path}`, { status: 404, code: 'unknown_url' });
    throw new ApiError(`${path} is not done here: ${found[1]}`, { status: 501, code: 'not_implemented' });
  });
}
