import type { BridgeView } from '../../bridge/bridge-view.js';
import { readKeptAnswer } from '../../protocol/answer.js';
import { readTask } from '../../protocol/task.js';
import { errorOfAnswer } from '../api-errors.js';
import { polishBody } from '../polish.js';
import { EXPIRED } from './batch-head.js';
import type { BatchTask, KnownBatch } from './batch-index.js';
import { isGivenUp, type ResultKind, tasksOfFile } from './batch-object.js';
import { RecordFiles } from './record-files.js';

/**
 * The results of a batch as OpenAI's files have them, made from the record: a line of JSON for each request,
 * in the order of the lines of its file.
 */
export async function* batchResults(
  view: BridgeView,
  batch: KnownBatch,
  kind: ResultKind,
): AsyncGenerator<string, void, undefined> {
  const record = new RecordFiles(view);
  const { endpoint: path } = batch.head;
  try {
    for (const one of tasksOfFile(batch, kind)) {
      const blob = one.answer === null ? null : await record.read(one.answer.blob, one.answer.commit);
      const answer = readKeptAnswer(blob ?? undefined);
      const base = { id: `batch_req_${one.task}`, custom_id: one.customId };
      const { response } = answer ?? {};
      if (response !== undefined && (answer?.error === null || !isGivenUp(one.cancel))) {
        // Only the call itself says in which form it wants its embeddings.
        const asked = path === '/v1/embeddings' ? await bodyOf(one) : {};
        const body = polishBody({ path, body: asked }, one.task, response.body);
        const given = { status_code: response.status, request_id: one.task, body };
        yield lineOf({ ...base, response: given, error: null });
      } else yield lineOf({ ...base, response: null, error: errorOf(one, answer) });
    }
  } finally {
    record.close();
  }

  async function bodyOf({ task }: BatchTask): Promise<Readonly<Record<string, unknown>>> {
    const blob = await record.read(`${task}:task.json`, task);
    const read = readTask('task.json', blob, Number.POSITIVE_INFINITY);
    return read.ok ? (read.value.request?.body ?? {}) : {};
  }
}

function errorOf({ cancel }: BatchTask, answer: ReturnType<typeof readKeptAnswer>) {
  if (cancel !== null && isGivenUp(cancel))
    return cancel.reason === EXPIRED
      ? { code: 'batch_expired', message: 'This request was not answered within the completion window.' }
      : { code: 'batch_cancelled', message: 'This request was not answered before its batch was cancelled.' };
  if (answer !== null) {
    const { code, message } = errorOfAnswer(answer);
    return { code, message };
  }
  return cancel === null
    ? { code: 'batch_expired', message: 'This request was not answered within the completion window.' }
    : { code: 'cancelled', message: 'This request was cancelled.' };
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
