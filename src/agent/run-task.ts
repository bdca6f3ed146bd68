import { type Answer, isReusable, readAnswer } from '../protocol/answer.js';
import { type AskedTask, equalTaskKey } from '../protocol/queue.js';
import type { TaskJson } from '../protocol/task.js';
import type { GenerateSettings } from './agent-options.js';
import type { GenerationSign } from './backends/backend.js';
import { composeAnswer, outcomeOfEarlier } from './compose-answer.js';
import { type GenerationOutcome, generateAnswer } from './generate/generate-answer.js';
import { readAskedTask } from './queue/read-task.js';
import { type ConversationContext, fitConversation, readTurns } from './queue/read-turns.js';

/** What answering one task needs. */
export interface TaskContext extends ConversationContext {
  readonly generate: GenerateSettings;
  readonly agent: string;
  readonly maxAnswerBytes: number;
  /** The server's clock. */
  readonly now: () => number;
  /** The blob of a good answer to an equal task (`equalTaskKey`), on main already. */
  readonly goodAnswer: (key: string) => string | undefined;
  readonly equal: EqualTasks;
  /** Called with every piece of text that the model says. */
  readonly onText: (text: string) => void;
}

/**
 * Answers one task: from an equal one's answer where there is a good one, else by a model. Never throws for
 * what a model did.
 */
export async function runTask(scope: TaskContext, asked: AskedTask): Promise<Answer> {
  const startedAt = performance.now();
  const { hash, ...content } = await readAskedTask(scope.reader, asked, scope.maxTaskBytes);
  const compose = (outcome: GenerationOutcome, cached = false) =>
    composeAnswer(
      {
        taskId: asked.id,
        hash,
        task: content.task,
        agent: scope.agent,
        latencyMs: performance.now() - startedAt,
        nowMs: scope.now(),
        maxAnswerBytes: scope.maxAnswerBytes,
      },
      outcome,
      cached,
    );
  const { task } = content;
  if (task === null) {
    const error = { code: 'invalid_task', message: content.reason } as const;
    return compose({ model: null, backend: null, answer: null, error });
  }
  const reuse = (earlier: Answer) => compose(outcomeOfEarlier(earlier), true);
  const key = equalTaskKey(asked.file, hash);
  const answer = async () => {
    const earlier = await readGoodAnswer(scope, key);
    return earlier === null ? compose(await generateTask(scope, asked.id, task)) : reuse(earlier);
  };
  return scope.equal.answer(key, answer, reuse);
}

/** Equal tasks that are answered at the same time: one is generated, and the others wait for its answer. */
export class EqualTasks {
  readonly #answers = new Map<string, Promise<Answer>>();

  /**
   * `key`: see equalTaskKey. Returns what `reuse` makes of a reusable answer to an equal task, if one is
   * made; else what `answer` makes.
   */
  async answer(
    key: string,
    answer: () => Promise<Answer>,
    reuse: (earlier: Answer) => Answer,
  ): Promise<Answer> {
    // Look and take the place in one go, without an await between, or two tasks would both find it free.
    for (let other = this.#answers.get(key); other !== undefined; other = this.#answers.get(key)) {
      const earlier = await other.catch(() => null);
      if (earlier !== null && isReusable(earlier)) return reuse(earlier);
      if (this.#answers.get(key) === other) this.#answers.delete(key);
    }
    const mine = answer();
    // A reusable answer stays here after it is done: an equal task must find it until its commit is on main.
    this.#answers.set(key, mine);
    const forget = () => this.#answers.delete(key);
    mine.then((made) => isReusable(made) || forget(), forget);
    return mine;
  }

  /** An answer that is seen on main is found there; it need not be held here as well. */
  forget(onMain: ReadonlyMap<string, unknown>): void {
    for (const key of this.#answers.keys()) if (onMain.has(key)) this.#answers.delete(key);
  }
}

/** A reply goes to the model with the conversation before it; without one it is `context_missing`. */
async function generateTask(scope: TaskContext, id: string, task: TaskJson): Promise<GenerationOutcome> {
  const onToken = (sign: GenerationSign) => {
    if (sign.type === 'piece') scope.onText(sign.thinking + sign.content);
  };
  const generate = (whole: TaskJson) => generateAnswer(whole, scope.generate, scope.signal, onToken);
  if (task.reply_to === undefined) return generate(task);
  const found = await readTurns(scope, id, task.reply_to);
  if (!found.ok) {
    const error = { code: 'context_missing', message: `it continues a conversation, and ${found.reason}` };
    return { model: null, backend: null, answer: null, error };
  }
  const continued = fitConversation(task, found.turns, found.isLonger);
  return { ...(await generate(continued.task)), context: continued.context };
}

async function readGoodAnswer(scope: TaskContext, key: string): Promise<Answer | null> {
  const blobId = scope.goodAnswer(key);
  const blob = blobId === undefined ? null : await scope.reader.read(blobId);
  const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
  return read?.ok && isReusable(read.value) ? read.value : null;
}
