import { errorText } from '../protocol/bridge-error.js';
import { excerpt, oneLine } from '../protocol/printable.js';
import { formatRefusal } from '../protocol/refusal.js';
import { judgePush, type PushInput } from './judge-push.js';

/** How much of what is wrong is told. */
const MAX_TEXT_CHARS = 500;

/** How much of a fault of our own. */
const MAX_FAULT_CHARS = 300;

/** Judges a push: null lets it in, else the one line that says why not, which is the last word also where judging itself failed. */
export async function judgeAloud(input: PushInput): Promise<string | null> {
  try {
    const denial = await judgePush(input);
    if (denial === null) return null;
    // A reason may quote the pusher, a field name of a megabyte say; more than a pipe holds would hang with a dead client.
    return oneLine(formatRefusal({ ...denial, text: excerpt(oneLine(denial.text), MAX_TEXT_CHARS) }));
  } catch (error) {
    const text = oneLine(errorText(error)).slice(0, MAX_FAULT_CHARS);
    const remedy = 'tell the owner of the bridge; llm-bridge init repairs hooks';
    return oneLine(formatRefusal({ code: 'internal', text, remedy }));
  }
}
