import { Agent, type RequestInit as UndiciRequestInit, fetch as undiciFetch } from 'undici';

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
 * Opens the transport for one call. `signal` closes it at any time, before the first byte too, which neither SDK can.
 *
 * undici's own fetch, because Node's gives up after 300 s without headers, and a model may take longer to its first
 * token; here only the connecting has a limit (undici's 10 s). An agent a call, because closing it is the one way
 * to be sure that nothing goes on generating for nobody. The SDKs' own signals are left out: the OpenAI client aborts
 * by a timer of its own. `inspect` sees every 2xx response and may replace it, or refuse it by throwing.
 */
export function openTransport(
  signal: AbortSignal,
  inspect: (response: Response) => Response | Promise<Response> = (response) => response,
): Transport {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  let failure: unknown;
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    try {
      // Two versions of undici's types meet here (Node's own and the package's); at run time they are the same web API.
      const sent = {
        ...(init as unknown as UndiciRequestInit),
        headers: plainHeaders(init),
        dispatcher,
        signal,
      };
      const response = (await undiciFetch(input as string | URL, sent)) as unknown as Response;
      if (!response.ok) throw new HttpFailure(response.status, await readStart(response));
      return await inspect(response);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  return { fetch, failure: () => failure, close: () => dispatcher.destroy() };
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

async function readStart(response: Response): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body) {
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    if (text.length > MAX_ERROR_BODY_CHARS) break;
  }
  return text.slice(0, MAX_ERROR_BODY_CHARS);
}
