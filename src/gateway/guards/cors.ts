/** Which web pages may call us. */
export interface CorsSettings {
  /** Origins of web pages that may call us: `https://chat.example.org`; `*` for any. */
  readonly corsOrigins: readonly string[];
}

/** What pages of allowed origins may read besides the body. */
export const EXPOSED_HEADERS = 'x-llm-bridge-task, x-llm-bridge-dropped, x-should-retry, retry-after';

/** Whether a page of this origin may read what we answer. */
export function isCorsOrigin(origin: string, { corsOrigins }: CorsSettings): boolean {
  return corsOrigins.includes(origin) || (corsOrigins.includes('*') && origin !== 'null');
}

/** Answers the question of a browser whether a page may send a call: headers allow it, or there are none. */
export function preflight({ headers }: Request, settings: CorsSettings): Response {
  const origin = headers.get('origin');
  if (origin === null || !isCorsOrigin(origin, settings)) return new Response(null, { status: 204 });
  const wanted = headers.get('access-control-request-headers') ?? '';
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
      'access-control-allow-headers': /^[a-z0-9, -]{0,1024}$/i.test(wanted) ? wanted : '',
      'access-control-max-age': '600',
      ...(headers.get('access-control-request-private-network') === 'true'
        ? { 'access-control-allow-private-network': 'true' }
        : {}),
    },
  });
}
