import { ApiError } from './api-errors.js';

/** Which part of a list a client asks for, by OpenAI's contract. */
export interface ListQuery {
  /** The newest first, unless it is `asc`. */
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  /** The id behind which the page begins; null from the start on. */
  readonly after: string | null;
}

/**
 * Reads the query of a list. Throws ApiError 400 for a limit outside of 1 to `max`, and for another order.
 */
export function readListQuery(
  query: URLSearchParams,
  { max, usual }: { readonly max: number; readonly usual: number },
): ListQuery {
  const limit = Number(query.get('limit') ?? usual);
  const order = query.get('order') ?? 'desc';
  if (!Number.isInteger(limit) || limit < 1 || limit > max)
    throw new ApiError(`limit is 1 to ${max}`, { status: 400, param: 'limit' });
  if (order !== 'asc' && order !== 'desc')
    throw new ApiError('order is asc or desc', { status: 400, param: 'order' });
  return { order, limit, after: query.get('after') };
}

/** A page of a list, which is given the newest first. Throws ApiError 400 where `after` is not in it. */
export function listPage<T extends { readonly id?: unknown }>(
  newestFirst: readonly T[],
  { order, limit, after }: ListQuery,
) {
  const all = order === 'asc' ? [...newestFirst].reverse() : newestFirst;
  const from = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== null && from === 0)
    throw new ApiError('after is none of this list', { status: 400, param: 'after' });
  const data = all.slice(from, from + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: all.length > from + limit,
  };
}
