import type { SameModel } from '../bridge/wanted-model.js';
import { logRecordSchema, parseLogLine } from '../protocol/log-record.js';

/** Which records are wanted: those for which all of this is true. */
export interface RecordFilter {
  /** One of these texts stands in the question, the answer or the error; capitals make no difference. */
  readonly texts?: readonly string[] | undefined;
  /** The answer was made at this time or later, and before `untilMs`. Milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly asker?: string | undefined;
  readonly agent?: string | undefined;
  /** As it may be spelled for its model server. */
  readonly model?: string | undefined;
  /** `ok`, `cached`, `error`, or the code of an error. */
  readonly status?: string | undefined;
}

const filterSchema = logRecordSchema.pick({
  ...{ asker: true, agent: true, model: true, backend: true, created_at: true },
  ...{ error: true, cached: true, answer: true, task_text: true },
});

/**
 * Makes the test for a line of JSON; undefined where every line is wanted, also one that is no record. The
 * texts are no patterns, so no search takes long.
 */
export function wantedBy(
  filter: RecordFilter,
  sameModel: SameModel,
): ((line: string) => boolean) | undefined {
  const { sinceMs = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY } = filter;
  const { asker, agent, model, status } = filter;
  if (Object.values(filter).every((value) => value === undefined)) return undefined;
  const texts = filter.texts?.map((text) => text.toLowerCase());
  return (line) => {
    const read = parseLogLine(filterSchema, line);
    if (read === null) return false;
    if (asker !== undefined && read.asker !== asker) return false;
    if (agent !== undefined && read.agent !== agent) return false;
    if (model !== undefined && !isModel(read, model, sameModel)) return false;
    if (status !== undefined && !hasStatus(read, status)) return false;
    const at = Date.parse(read.created_at);
    if (at < sinceMs || at >= untilMs) return false;
    if (texts === undefined) return true;
    const said = [read.task_text, read.answer, read.error?.code, read.error?.message]
      .join('\n')
      .toLowerCase();
    return texts.some((text) => said.includes(text));
  };
}

function isModel(
  { model, backend }: { readonly model: string | null; readonly backend: string | null },
  wanted: string,
  sameModel: SameModel,
): boolean {
  return model !== null && (model === wanted || (backend !== null && sameModel(backend, wanted, model)));
}

/** A cached answer is a good one as well. */
function hasStatus(
  record: { readonly error: { readonly code: string } | null; readonly cached?: boolean | undefined },
  status: string,
): boolean {
  const { error, cached } = record;
  if (status === 'error') return error !== null;
  if (status === 'ok') return error === null;
  return status === 'cached' ? error === null && cached === true : error?.code === status;
}
