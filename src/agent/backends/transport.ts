import { formatDuration } from '../../protocol/duration.js';
import { openHttp } from './http-exchange.js';

/** HTTP for one call to a model server. */
export interface Transport {
  /**
   * For an SDK to use in place of the global one. Rejects with HttpFailure for any status that is not 2xx.
   */
  readonly fetch: typeof globalThis.fetch;
  /** What `fetch` rejected with, as it was, or ResponseTimeout. The SDKs wrap it and may lose its cause. */
  failure(): unknown;
  /** A text of the server, with a placeholder for the token that it was sent. */
  withoutToken(text: string): string;
  /** Ends the call: whatever is still open is closed, and the server sees that. */
  close(): Promise<void>;
}

/** A response that is not 2xx, with the beginning of its body. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  /** `retryAfter`: the header of that name, as it came. */
  constructor(
    readonly status: number,
    readonly body: string,
    readonly retryAfter: string | null = null,
  ) {
    super(`HTTP ${status}`);
  }
}

/** A response that was not whole in time. */
export class ResponseTimeout extends Error {
  override readonly name = 'ResponseTimeout';

  constructor(timeoutMs: number) {
    super(`no complete response within ${formatDuration(timeoutMs)}`);
  }
}

/** The limits of one call, and its token. */
export interface TransportLimits {
  /** The most bytes of the body of a 2xx response. */
  readonly maxBodyBytes: number;
  /**
   * How long the call may take in all. Without it: until `signal` is aborted, as a generation is by its
   * deadlines.
   */
  readonly timeoutMs?: number;
  /** How long the body of an error may take. Default: ERROR_BODY_TIMEOUT_MS. */
  readonly errorTimeoutMs?: number;
  /** Sent as `Authorization: Bearer`. Redirects are not followed, so no other server gets it. */
  readonly token?: string | undefined;
}

/**
 * How much of an error's body is read, in bytes: every known error fits, and a web page does not fill the
 * memory.
 */
const MAX_ERROR_BODY_BYTES = 64 * 1024;

/** How long the body of an error may take after its head. What has come by then is used. Milliseconds. */
const ERROR_BODY_TIMEOUT_MS = 10_000;

/**
 * Opens the transport for one call. `signal` closes it at any time, also before the first byte, which
 * neither SDK can do. The SDKs' own signals are ignored: the OpenAI client aborts by a timer of its own.
 * `inspect` sees every 2xx response and may replace it, or refuse it by throwing; `errorBody` reads the body
 * of one that it refuses.
 */
export function openTransport(
  signal: AbortSignal,
  limits: TransportLimits,
  inspect: (response: Response) => Response | Promise<Response> = (response) => response,
): Transport {
  const http = openHttp(signal);
  let failure: unknown;
  const { timeoutMs, errorTimeoutMs = ERROR_BODY_TIMEOUT_MS, token } = limits;
  // A server may repeat what it was sent, and its words go into answers and logs.
  const withoutToken = (text: string) => (token === undefined ? text : text.replaceAll(token, '(the token)'));
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          failure ??= new ResponseTimeout(timeoutMs);
          http.close();
        }, timeoutMs);
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    try {
      const response = await http.exchange(new URL(input as string | URL), {
        method: init?.method ?? 'GET',
        headers: {
          ...plainHeaders(init),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: textOf(init?.body),
        maxBodyBytes: limits.maxBodyBytes,
      });
      if (!response.ok) {
        const body = withoutToken(await failureText(response, errorTimeoutMs));
        throw new HttpFailure(response.status, body, response.headers.get('retry-after'));
      }
      return await inspect(response);
    } catch (error) {
      failure ??= error;
      throw error;
    }
  };
  return {
    fetch,
    failure: () => failure,
    withoutToken,
    close: async () => {
      clearTimeout(timer);
      http.close();
    },
  };
}

/**
 * Only the headers that the exchange needs. No model server asks for more, and the OpenAI client would add
 * what its own environment variables say: a real administrator's key, an organization, a gateway's headers.
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

async function failureText(response: Response, timeoutMs: number): Promise<string> {
  const leadsTo = response.headers.get('location');
  // Not followed: depending on the status, the body would be posted once more, or not at all.
  if (leadsTo !== null) return `it redirects to ${leadsTo}; give that address`;
  return await errorBody(response, timeoutMs);
}

/**
 * The beginning of a body that tells of an error: bounded in size and in time, and never a failure of its
 * own.
 */
export async function errorBody(response: Response, timeoutMs = ERROR_BODY_TIMEOUT_MS): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), timeoutMs);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    while (bytes < MAX_ERROR_BODY_BYTES) {
      const { value, done } = await reader.read();
      if (done) break;
      chunks.push(value);
      bytes += value.length;
    }
  } catch {
    // It broke off. What has come so far tells more than the failure.
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
  return Buffer.concat(chunks).subarray(0, MAX_ERROR_BODY_BYTES).toString('utf8');
}
