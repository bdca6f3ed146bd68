import { ApiError } from '../api-errors.js';
import { messagesModelOf, requireModel, runningOf, shownOf, tagOf, v1ModelOf } from '../bridge-models.js';
import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { readCallBody } from '../read-body.js';
import { route } from './route.js';

/**
 * The version of Ollama whose API is spoken: clients ask for it, and turn away what is too old for them.
 */
const SPOKEN_VERSION = '0.12.6';

const ONE_MODEL = '/v1/models/';

/** The models that agents have named, in the form of the API that asks; and that the gateway runs. */
export function addModelRoutes(app: GatewayApp, { models, maxBodyBytes, version }: GatewayParts): void {
  route(app, '/', { GET: () => new Response('llm-bridge is running\n') });
  route(app, '/api/version', { GET: () => Response.json({ version: SPOKEN_VERSION, llm_bridge: version }) });
  route(app, '/api/tags', { GET: async () => Response.json({ models: (await models()).map(tagOf) }) });
  route(app, '/api/ps', {
    async GET() {
      const loaded = (await models()).flatMap((one) =>
        one.loadedUntilMs === null ? [] : [runningOf(one, one.loadedUntilMs)],
      );
      return Response.json({ models: loaded });
    },
  });
  route(app, '/api/show', {
    async POST(c) {
      const known = await models();
      const body = await readCallBody(c.req.raw, await maxBodyBytes());
      return Response.json(shownOf(requireModel(known, body.model ?? body.name)));
    },
  });
  route(app, '/v1/models', {
    async GET(c) {
      const known = await models();
      const isMessages = c.get('form') === 'messages';
      const data = known.map(isMessages ? messagesModelOf : v1ModelOf);
      if (!isMessages) return Response.json({ object: 'list', data });
      const [first, last] = [known[0]?.name ?? null, known.at(-1)?.name ?? null];
      return Response.json({ data, first_id: first, last_id: last, has_more: false });
    },
  });
  // A name may have a slash in it.
  route(app, `${ONE_MODEL}*`, {
    async GET(c) {
      const model = requireModel(await models(), decoded(c.req.path.slice(ONE_MODEL.length)));
      return Response.json(c.get('form') === 'messages' ? messagesModelOf(model) : v1ModelOf(model));
    },
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError('the name of the model is not encoded as UTF-8', { status: 400, code: 'bad_path' });
  }
}
