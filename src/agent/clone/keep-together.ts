import type { Repository } from '../../git/run-git.js';
import type { Answer } from '../../protocol/answer.js';
import { type FinishedAnswer, keepAllFinished, keepFinished } from './finished-answers.js';

/** One call to git keeps so many answers at most. */
const MAX_TOGETHER = 50;

/**
 * A keepFinished for many workers: what is finished while git is at work is kept by its next run, all together, so that a backlog costs a
 * process for many answers and not for each. Rejects for each answer as keepFinished does.
 */
export function createKeeper(clone: Repository): (answer: Answer) => Promise<FinishedAnswer> {
  interface Waiting {
    readonly answer: Answer;
    readonly resolve: (kept: FinishedAnswer) => void;
    readonly reject: (reason: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MAX_TOGETHER);
      try {
        const kept = await keepAllFinished(
          clone,
          batch.map(({ answer }) => answer),
        );
        for (const [index, one] of batch.entries()) one.resolve(kept[index] as FinishedAnswer);
      } catch {
        // One that cannot be kept must not take the others with it.
        for (const one of batch) await keepFinished(clone, one.answer).then(one.resolve, one.reject);
      }
    }
    isRunning = false;
  }

  return (answer) =>
    new Promise((resolve, reject) => {
      waiting.push({ answer, resolve, reject });
      if (!isRunning) void run();
    });
}
