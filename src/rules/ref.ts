import { MAIN_REF } from '../protocol/names.js';
import type { Refusal } from '../protocol/refusal.js';
import type { RefUpdateLine } from './push-context.js';

/** A push to a branch moves exactly `refs/heads/main`, and neither creates nor deletes it. */
export function refRule(update: RefUpdateLine): Refusal | null {
  if (update.ref !== MAIN_REF) {
    return {
      code: 'ref',
      text: `${update.ref} is not a ref of a bridge; only ${MAIN_REF} can be pushed to`,
      remedy: 'git push <bridge> HEAD:main',
    };
  }
  if (/^0+$/.test(update.newId)) {
    return { code: 'ref', text: `${MAIN_REF} cannot be deleted`, remedy: 'leave it; history is the archive' };
  }
  if (/^0+$/.test(update.oldId)) {
    return {
      code: 'ref',
      text: `${MAIN_REF} does not exist yet and is not made by a push`,
      remedy: 'llm-bridge init on the server',
    };
  }
  return null;
}
