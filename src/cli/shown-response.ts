import type { TaskResponse } from '../protocol/request.js';

/**
 * The part of a response that is printed in place of a text, as JSON: the calls of tools where the model
 * calls some, else the vector where there are embeddings (a list where there are several). Undefined where
 * there is neither: then the text is printed, or the whole body where there is none.
 */
export function shownResponse({ body }: Pick<TaskResponse, 'body'>): unknown {
  const calls = toolCalls(body);
  if (calls.length > 0) return calls;
  const vectors = vectorsIn(body);
  return vectors.length > 1 ? vectors : vectors[0];
}

/** The calls of tools, each as its API has it. */
function toolCalls(body: unknown): unknown[] {
  const { choices, message, content, output } = fields(body);
  const messages = [...listOf(choices).map((choice) => fields(choice).message), message];
  return [
    ...messages.flatMap((one) => listOf(fields(one).tool_calls)),
    ...listOf(content).filter((part) => fields(part).type === 'tool_use'),
    ...listOf(output).filter((item) => CALLS.includes(fields(item).type)),
  ];
}

/** The items of a `/v1/responses` that call a tool. */
const CALLS: readonly unknown[] = ['function_call', 'custom_tool_call'];

function vectorsIn(body: unknown): unknown[] {
  const { data, embeddings, embedding } = fields(body);
  const found = [...listOf(data).map((one) => fields(one).embedding), ...listOf(embeddings), embedding];
  // A vector is a list of numbers, or its bytes in base64.
  return found.filter((one) => Array.isArray(one) || typeof one === 'string');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
