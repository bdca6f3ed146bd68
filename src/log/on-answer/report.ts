import { listOnAnswer } from './folder.js';
import { readOnAnswerState } from './state.js';

/** How an executable in `on-answer.d` is doing. */
export interface OnAnswerReport {
  readonly name: string;
  /** `new`: it was given nothing yet. `refused`: it is not run at all. */
  readonly state: 'new' | 'ok' | 'failing' | 'refused';
  /** The newest record it took; null where it is new, or its state cannot be read. */
  readonly last_seq: number | null;
  /** How often in a row the record behind that failed. */
  readonly failures: number;
  /** Why it failed the last time, or why it is refused. */
  readonly reason: string | null;
  /** When it is tried again, ISO 8601. */
  readonly next_try: string | null;
}

/** Says of each executable of a bridge how far it has got and what is wrong with it, by name. */
export async function reportOnAnswer(gitDir: string): Promise<OnAnswerReport[]> {
  return Promise.all(
    (await listOnAnswer(gitDir)).map(async (entry): Promise<OnAnswerReport> => {
      const { name } = entry;
      const nothing = { name, last_seq: null, failures: 0, reason: null, next_try: null };
      if (entry.status === 'refused') return { ...nothing, state: 'refused', reason: entry.reason };
      const state = await readOnAnswerState(gitDir, name).catch(() => 'unreadable' as const);
      if (state === null) return { ...nothing, state: 'new' };
      if (state === 'unreadable') {
        const reason = `cannot read bridge/on-answer.state/${name}.json; without it, it begins with new answers`;
        return { ...nothing, state: 'failing', reason };
      }
      const { last_seq, failures, last_error: reason, next_try } = state;
      return { name, state: failures > 0 ? 'failing' : 'ok', last_seq, failures, reason, next_try };
    }),
  );
}
