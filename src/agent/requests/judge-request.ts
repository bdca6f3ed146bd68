import { MAX_DROPPED } from '../../protocol/answer.js';
import { isRequestPath, modelOfRequest, type RequestPath, type TaskRequest } from '../../protocol/request.js';
import { FieldRefused } from './call-place.js';
import { requestFields } from './fields/request-fields.js';
import { FieldJudge, type RequestLimits } from './judge-field.js';

/** A call as it may go to a model server: only allowed fields, each within its bounds. */
export interface JudgedCall {
  readonly path: RequestPath;
  readonly body: Record<string, unknown>;
  /** The model that the call names; undefined where it names none. */
  readonly model: string | undefined;
  /** The fields that were left out, as the answer's `dropped` names them: at most MAX_DROPPED. */
  readonly dropped: string[];
}

/** A call that ends here: the field that ends it, and a sentence that begins with that field. */
export interface RefusedCall {
  readonly refused: { readonly field: string; readonly message: string };
}

/**
 * Judges a call before any model server hears of it. Whoever may ask is not trusted: what comes out is text,
 * pictures and numbers for a model, and nothing that makes a model server fetch, load, run or keep anything.
 * A field that is in no list is left out and named; one that would change what the call means is refused,
 * and so is one out of its bounds. Pure: no file, no network, no clock.
 */
export function judgeRequest(request: TaskRequest, limits: RequestLimits): JudgedCall | RefusedCall {
  const { path } = request;
  // Exactly the nine, as they are written: no slash more, no dots, no capital.
  if (!isRequestPath(path)) {
    return {
      refused: { field: 'path', message: `path ${path} is not an API call that this agent passes on` },
    };
  }
  const judge = new FieldJudge(limits);
  try {
    const { fields, bound } = requestFields(path);
    const body = judge.body(fields, request.body);
    bound?.check(body);
    return { path, body, model: modelOfRequest({ path, body }), dropped: namesOf(judge.dropped) };
  } catch (error) {
    if (!(error instanceof FieldRefused)) throw error;
    return { refused: { field: error.field, message: error.message } };
  }
}

/** The names, as many as an answer has room for; the last says how many more there are. */
function namesOf(dropped: ReadonlySet<string>): string[] {
  const names = [...dropped].map((name) => [...name].slice(0, 128).join(''));
  if (names.length <= MAX_DROPPED) return names;
  return [...names.slice(0, MAX_DROPPED - 1), `and ${names.length - MAX_DROPPED + 1} more`];
}
