import type { Answer } from '../../protocol/answer.js';
import { isJsonObject, type JsonObject } from '../../protocol/json-object.js';
import { errorOfAnswer } from '../api-errors.js';
import { responseId } from '../polish.js';
import type { StoredTask } from './stored-tasks.js';

/** How far a response is. `expired`: the task was never answered, and will not be any more. */
export type ResponseState =
  | { readonly status: 'queued' | 'in_progress' | 'cancelled' | 'expired' }
  | { readonly status: 'answered'; readonly answer: Answer };

/** Whether a call was to go on without its client. */
export function isBackground({ metadata }: Pick<StoredTask, 'metadata'>): boolean {
  return metadata.background === 'true';
}

/** A response as `GET /v1/responses/{id}` gives it: all fields that the official clients know. */
export function responseObject(
  stored: StoredTask,
  state: ResponseState,
): JsonObject & { readonly id: string } {
  const { body } = stored;
  const asked = {
    id: responseId(stored.task),
    object: 'response',
    created_at: Math.floor(stored.askedAtMs / 1000),
    status: state.status,
    background: isBackground(stored),
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: body.model ?? '',
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: body.reasoning ?? { effort: null, summary: null },
    store: true,
    temperature: body.temperature ?? null,
    text: body.text ?? { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: body.truncation ?? 'disabled',
    usage: null,
    user: body.user ?? null,
  };
  if (state.status === 'expired') {
    const message = 'no agent answered it for as long as a task of this bridge lives';
    return { ...asked, status: 'failed', error: { code: 'expired', message } };
  }
  return state.status === 'answered' ? ended(asked, state.answer) : asked;
}

function ended(
  asked: JsonObject & { readonly id: string },
  answer: Answer,
): JsonObject & { readonly id: string } {
  if (answer.error?.code === 'cancelled') return { ...asked, status: 'cancelled' };
  const body = answer.response?.body;
  if (answer.error !== null || !isJsonObject(body)) {
    const { code, message } = errorOfAnswer(answer);
    return { ...asked, status: 'failed', error: { code: code ?? 'server_error', message } };
  }
  const { id, created_at, background, store, metadata } = asked;
  const status = typeof body.status === 'string' ? body.status : 'completed';
  return { ...asked, ...body, id, created_at, background, store, metadata, status };
}

/** How many items a list has at most, and where nothing is said. */
const MAX_ITEMS = 100;
const USUAL_ITEMS = 20;

/** What `GET /v1/responses/{id}/input_items` may say. */
export interface ItemsQuery {
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly after: string | null;
}

/** Reads the query of a list; null where it is none: the limit is 1 to 100, the order `asc` or `desc`. */
export function readItemsQuery(query: URLSearchParams): ItemsQuery | null {
  const limit = Number(query.get('limit') ?? USUAL_ITEMS);
  const order = query.get('order') ?? 'desc';
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ITEMS) return null;
  return order === 'asc' || order === 'desc' ? { limit, order, after: query.get('after') } : null;
}

/** The input of a response as a list of items, each with an id. */
export function inputItems({ task, body }: StoredTask, { order, limit, after }: ItemsQuery): JsonObject {
  const input = Array.isArray(body.input) ? body.input : [{ role: 'user', content: body.input ?? '' }];
  const items = input.filter(isJsonObject).map((item, at): JsonObject => {
    const named = { ...item, id: typeof item.id === 'string' ? item.id : `item_${task.slice(0, 24)}_${at}` };
    const { type = 'message', role, content } = item;
    if (type !== 'message') return named;
    const kind = role === 'assistant' ? 'output_text' : 'input_text';
    const parts = typeof content === 'string' ? [{ type: kind, text: content }] : content;
    return { status: 'completed', ...named, type, content: parts };
  });
  if (order === 'desc') items.reverse();
  const from = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  const data = items.slice(from, from + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: items.length > from + limit,
  };
}
