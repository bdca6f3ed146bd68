/** Where a piece of an item belongs. */
export interface DeltaKind {
  /** The type of the item. */
  readonly item: string;
  /** The list of the item that has it; null: the item itself. */
  readonly list: 'content' | 'summary' | null;
  readonly part: string;
  readonly field: string;
}

/** The events of `/v1/responses` that bring a piece of an item, and where each belongs. */
export const DELTAS: ReadonlyMap<string, DeltaKind> = new Map<string, DeltaKind>([
  ['response.output_text.delta', { item: 'message', list: 'content', part: 'output_text', field: 'text' }],
  ['response.refusal.delta', { item: 'message', list: 'content', part: 'refusal', field: 'refusal' }],
  [
    'response.reasoning_text.delta',
    { item: 'reasoning', list: 'content', part: 'reasoning_text', field: 'text' },
  ],
  [
    'response.reasoning_summary_text.delta',
    { item: 'reasoning', list: 'summary', part: 'summary_text', field: 'text' },
  ],
  [
    'response.function_call_arguments.delta',
    { item: 'function_call', list: null, part: '', field: 'arguments' },
  ],
  [
    'response.custom_tool_call_input.delta',
    { item: 'custom_tool_call', list: null, part: '', field: 'input' },
  ],
]);
