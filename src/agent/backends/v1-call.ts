import type { CallEnd } from './backend.js';
import { type SentCall, sendCall } from './call-api.js';

/** Where the address of a server of OpenAI's API ends. */
const BASE = '/v1';

/** Sends a call to a server whose address ends with `/v1`. `model`: as that server spells it. */
export async function sendV1Call(
  sent: Omit<SentCall, 'url' | 'body'> & { readonly model: string },
): Promise<CallEnd> {
  const { server, call, model } = sent;
  const url = `${server.url}${call.path.slice(BASE.length)}`;
  return await sendCall({ ...sent, url, body: { ...call.body, model } });
}
