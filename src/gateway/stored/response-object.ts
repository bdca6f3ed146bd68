import type { Answer } from '../../protocol/answer.js';
import { isJsonObject, type JsonObject } from '../../protocol/json-object.js';
import { errorOfAnswer } from '../api-errors.js';
import { type ListQuery, listPage } from '../list-page.js';
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

/** The most items of a page of the list, and how many it has where the client does not say. */
export const ITEM_BOUNDS = { max: 100, usual: 20 };

/** A page of the input of a response, as items with an id each. Throws ApiError as listPage does. */
export function inputItems({ task, body }: StoredTask, query: ListQuery) {
  const input = Array.isArray(body.input) ? body.input : [{ role: 'user', content: body.input ?? '' }];
  const items = input.filter(isJsonObject).map((item, at): JsonObject => {
    const named = { ...item, id: typeof item.id === 'string' ? item.id : `item_${task.slice(0, 24)}_${at}` };
    const { type = 'message', role, content } = item;
    if (type !== 'message') return named;
    const kind = role === 'assistant' ? 'output_text' : 'input_text';
    const parts = typeof content === 'string' ? [{ type: kind, text: content }] : content;
    return { status: 'completed', ...named, type, content: parts };
  });
  return listPage(items.reverse(), query);
}
