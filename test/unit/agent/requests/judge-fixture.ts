import {
  type JudgedCall,
  judgeRequest,
  type RefusedCall,
} from '../../../../src/agent/requests/judge-request.js';

/** Judges a call for an agent with the default context and `passFields`. */
export function judged(
  path: string,
  body: Record<string, unknown>,
  passFields: readonly string[] = [],
): JudgedCall | RefusedCall {
  return judgeRequest({ path, body }, { maxContext: 32_768, passFields });
}

/** The same for a call that passes. Throws with the reason where it does not. */
export function passed(path: string, body: Record<string, unknown>, passFields?: string[]): JudgedCall {
  const call = judged(path, body, passFields);
  if ('refused' in call) throw new Error(call.refused.message);
  return call;
}

/** The field that ends a call; null where it passes. */
export function refusedField(path: string, body: Record<string, unknown>): string | null {
  const call = judged(path, body);
  return 'refused' in call ? call.refused.field : null;
}
