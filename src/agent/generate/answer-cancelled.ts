import type { ObjectReader } from '../../git/object-reader.js';
import type { Answer } from '../../protocol/answer.js';
import { readCancel } from '../../protocol/cancel.js';
import type { AskedTask, CancelledTask } from '../../protocol/queue.js';
import { oneLine } from '../../protocol/printable.js';
import { composeAnswer } from './compose-answer.js';
import { readAskedTask } from '../queue/read-task.js';

/** What answering a cancelled task needs. */
export interface CancelledPlace {
  readonly reader: ObjectReader;
  readonly agent: string;
  readonly maxTaskBytes: number;
  readonly maxAnswerBytes: number;
  /** The server's clock. */
  readonly now: () => number;
  /** How long it was worked on. Milliseconds. */
  readonly latencyMs: number;
}

/** The answer to a task that nobody wants answered any more: the error `cancelled`, which says who cancelled and why. No model is asked. */
export async function answerCancelled(
  place: CancelledPlace,
  asked: AskedTask,
  cancel: CancelledTask,
): Promise<Answer> {
  const { hash, task } = await readAskedTask(place.reader, asked, place.maxTaskBytes);
  const blob = await place.reader.read(cancel.blob);
  const read = blob === null ? null : readCancel(blob.content);
  const why = read?.ok && read.value.reason !== undefined ? `: ${oneLine(read.value.reason)}` : '';
  return composeAnswer(
    {
      taskId: asked.id,
      hash,
      task,
      agent: place.agent,
      latencyMs: place.latencyMs,
      nowMs: place.now(),
      maxAnswerBytes: place.maxAnswerBytes,
    },
    {
      model: null,
      backend: null,
      answer: null,
      error: { code: 'cancelled', message: `cancelled by ${oneLine(cancel.by)}${why}` },
    },
  );
}
