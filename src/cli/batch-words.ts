import type { KnownBatch } from '../gateway/batches/batch-index.js';
import { batchObject, factsOfKnown } from '../gateway/batches/batch-object.js';
import { formatDuration } from '../protocol/duration.js';
import { joinLines, oneLine, stripControls } from '../protocol/printable.js';

/** A text from a file, as one line of a terminal. */
export function printable(text: string): string {
  return joinLines(stripControls(text));
}

/** A batch on one line: `batch_3f2a…  completed  60/60  12 s ago  night.jsonl  /v1/chat/completions`. */
export function batchLine(batch: KnownBatch, nowMs: number): string {
  const { status, request_counts } = batchObject(factsOfKnown(batch), nowMs);
  const { total, completed, failed } = request_counts as Readonly<Record<string, number>>;
  const done = `${completed}/${total}${failed === 0 ? '' : `, ${failed} failed`}`;
  const age = `${formatDuration(Math.max(0, nowMs - batch.begunAtMs))} ago`;
  const file = oneLine(batch.head.input_file_id);
  return `${batch.id}  ${String(status).padEnd(11)}  ${done}  ${age}  ${file}  ${batch.head.endpoint}`;
}
