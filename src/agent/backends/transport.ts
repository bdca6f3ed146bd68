import { openHttp } from './http-exchange.js';

/** HTTP for one call to a model server. */
export interface Transport {
  /** For an SDK to use in place of the global one. Rejects with HttpFailure for any status that is not 2xx. */
  readonly fetch: typeof globalThis.fetch;
  /** What `fetch` rejected with, as it was. The SDKs wrap it and may lose its cause. */
  failure(): unknown;
  /** Ends the call: whatever is still open is closed, and the server sees that. */
  close(): Promise<void>;
}

/** A response that is not 2xx, with the beginning of its body. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  constructor(
    readonly status: number,
    readonly body: string,
  ) {
    super(`HTTP ${status}`);
  }
}

/** How much of an error's body is read, in characters: any server's error fits, and a web page does not fill the memory. */
const MAX_ERROR_BODY_CHARS = 64 * 1024;

/**
 * Opens the transport for one call. `signal` closes it at any time, before the first byte too, which neither SDK can. The SDKs' own signals
 * are left out: the OpenAI client aborts by a timer of its own. `inspect` sees every 2xx response and may replace it, or refuse it by
 * throwing.
 */
export function openTransport(
  signal: AbortSignal,
  inspect: (response: Response) => Response | Promise<Response> = (response) => response,
): Transport {
  const http = openHttp(signal);
  let failure: unknown;
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    try {
      const response = await http.exchange(new URL(input as string | URL), {
        method: init?.method ?? 'GET',
        headers: plainHeaders(init),
        body: textOf(init?.body),
      });
      if (!response.ok) throw new HttpFailure(response.status, await readFailure(response));
      return await inspect(response);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  return { fetch, failure: () => failure, close: async () => http.close() };
}

/**
 * Only what the exchange needs. Neither model server asks for more, and the OpenAI client would send along what its own
 * environment variables say: a real key of an administrator, an organization, a gateway's headers.
 */
function plainHeaders(init: RequestInit | undefined): Record<string, string> {
  const given = new Headers(init?.headers);
  const type = given.get('content-type');
  return { accept: given.get('accept') ?? '*/*', ...(type === null ? {} : { 'content-type': type }) };
}

/** Both SDKs send JSON, as a string. */
function textOf(body: RequestInit['body']): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== 'string') throw new TypeError('a body that is no string');
  return body;
}

async function readFailure(response: Response): Promise<string> {
  const leadsTo = response.headers.get('location');
  // Not followed: a browser would send what was posted once more, or not at all, as the status has it.
  if (leadsTo !== null) return `it redirects to ${leadsTo}; give that address`;
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body) {
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    if (text.length > MAX_ERROR_BODY_CHARS) break;
  }
  return text.slice(0, MAX_ERROR_BODY_CHARS);
}
