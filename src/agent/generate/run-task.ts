import { type Answer, isReusable, readAnswer } from '../../protocol/answer.js';
import type { AskedTask } from '../../protocol/queue.js';
import type { TaskJson } from '../../protocol/task.js';
import { readAskedTask } from '../queue/read-task.js';
import { composeAnswer, outcomeOfEarlier } from './compose-answer.js';
import { type GenerationOutcome, generateAnswer } from './generate-answer.js';
import type { GenerateSettings } from './generate-settings.js';
import { fitConversation, readTurns, type TurnContext } from './read-turns.js';

/** What answering one task needs. */
export interface TaskContext extends TurnContext {
  readonly generate: GenerateSettings;
  readonly agent: string;
  readonly maxAnswerBytes: number;
  /** The server's clock. */
  readonly now: () => number;
  /** The blob of a good answer to a task with this hash, on main already. */
  readonly goodAnswer: (hash: string) => string | undefined;
  /** The tasks being answered now, by hash; equal ones wait for each other here. */
  readonly running: Map<string, Promise<Answer>>;
  /** Called with every piece of text that the model says. */
  readonly onText?: ((text: string) => void) | undefined;
}

/** Answers one task: from an equal one's answer where there is a good one, else by a model. Never throws for what a model did. */
export async function runTask(scope: TaskContext, asked: AskedTask): Promise<Answer> {
  const startedAt = performance.now();
  const content = await readAskedTask(scope.reader, asked, scope.maxTaskBytes);
  const compose = (outcome: GenerationOutcome, cached = false) =>
    composeAnswer(
      {
        taskId: asked.id,
        hash: content.hash,
        task: content.task,
        agent: scope.agent,
        latencyMs: performance.now() - startedAt,
        nowMs: scope.now(),
        maxAnswerBytes: scope.maxAnswerBytes,
      },
      outcome,
      cached,
    );
  if (content.task === null) {
    return compose({
      model: null,
      backend: null,
      answer: null,
      error: { code: 'invalid_task', message: content.reason },
    });
  }
  const { task, hash } = content;
  // Look and take the place in one go, without an await between, or two equal tasks would both find it free.
  for (let other = scope.running.get(hash); other !== undefined; other = scope.running.get(hash)) {
    const earlier = await other.catch(() => null);
    if (earlier !== null && isReusable(earlier)) return compose(outcomeOfEarlier(earlier), true);
    if (scope.running.get(hash) === other) scope.running.delete(hash);
  }
  const mine = (async () => {
    const earlier = await readGoodAnswer(scope, hash);
    if (earlier !== null) return compose(outcomeOfEarlier(earlier), true);
    return compose(await generateTask(scope, asked.id, task));
  })();
  // A reusable answer stays here after it is done: an equal task must find it until its commit is on main.
  scope.running.set(hash, mine);
  const forget = () => scope.running.delete(hash);
  mine.then((answer) => isReusable(answer) || forget(), forget);
  return mine;
}

/** A reply goes to the model with the conversation before it; where that cannot be found, the error `context_missing` says why. */
async function generateTask(scope: TaskContext, id: string, task: TaskJson): Promise<GenerationOutcome> {
  const generate = (whole: TaskJson) =>
    generateAnswer(whole, scope.generate, scope.signal, scope.onText ?? (() => {}));
  if (task.reply_to === undefined) return generate(task);
  const found = await readTurns(scope, id, task.reply_to);
  if (!found.ok) {
    const error = { code: 'context_missing', message: `it continues a conversation, and ${found.reason}` };
    return { model: null, backend: null, answer: null, error };
  }
  const continued = fitConversation(task, found.turns, found.isLonger);
  return { ...(await generate(continued.task)), context: continued.context };
}

async function readGoodAnswer(scope: TaskContext, hash: string): Promise<Answer | null> {
  const blobId = scope.goodAnswer(hash);
  const blob = blobId === undefined ? null : await scope.reader.read(blobId);
  const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
  return read?.ok && isReusable(read.value) ? read.value : null;
}
