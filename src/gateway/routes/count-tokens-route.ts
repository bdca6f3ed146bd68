import { estimateTokens } from '../../protocol/estimate-tokens.js';
import { ApiError } from '../api-errors.js';
import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { readCallBody } from '../read-body.js';
import { route } from './route.js';

/** What a message costs besides its text: its role and the markers around it. */
const TOKENS_A_MESSAGE = 4;

/** What a picture costs at most, by the pages of this API; its size in bytes says little. */
const TOKENS_AN_IMAGE = 1_600;

/**
 * Anthropic's `count_tokens`, which by its own page is an estimate: it is made here, from the text alone,
 * and no model is asked. Programs that get no count ask the model instead, a call for each part of a prompt.
 */
export function addCountTokensRoute(app: GatewayApp, { maxBodyBytes }: GatewayParts): void {
  route(app, '/v1/messages/count_tokens', {
    async POST(c) {
      const { model, messages, system, tools } = await readCallBody(c.req.raw, await maxBodyBytes());
      if (typeof model !== 'string') throw new ApiError('model is missing', { status: 400, param: 'model' });
      if (!Array.isArray(messages) || messages.length === 0)
        throw new ApiError('messages is missing, or empty', { status: 400, param: 'messages' });
      const parts = [...messages, system ?? '', ...(Array.isArray(tools) ? tools : [])];
      const input_tokens = parts.reduce((sum, part) => sum + TOKENS_A_MESSAGE + tokensIn(part), 0);
      return Response.json({ input_tokens });
    },
  });
}

/** The tokens of all text in a value: the names of its fields are text, too, where a model reads JSON. */
function tokensIn(value: unknown): number {
  if (typeof value === 'string') return estimateTokens(value);
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + tokensIn(one), 0);
  if (typeof value !== 'object' || value === null) return value === undefined ? 0 : 1;
  const { type } = value as { readonly type?: unknown };
  if (type === 'image' || type === 'document') return TOKENS_AN_IMAGE;
  // The text of a block stands in one field; its type and its `cache_control` are not in the prompt.
  if (type === 'text') return tokensIn((value as { readonly text?: unknown }).text);
  const fields = Object.entries(value).filter(([name]) => name !== 'cache_control');
  return fields.reduce((sum, [name, one]) => sum + estimateTokens(name) + tokensIn(one), 0);
}
