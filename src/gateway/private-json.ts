/** Keeps an answer out of every cache on the way: it is for one client, or true only for a moment. */
export const NO_STORE = { 'cache-control': 'no-store' };

/** An answer in JSON that no cache keeps. */
export function privateJson(
  value: unknown,
  {
    status = 200,
    headers = {},
  }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Response {
  return Response.json(value, { status, headers: { ...NO_STORE, ...headers } });
}
