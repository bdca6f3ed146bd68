import { type Answer, readAnswer } from '../../protocol/answer.js';
import type { AskedTask } from '../../protocol/queue.js';
import type { TaskJson } from '../../protocol/task.js';
import { readAskedTask } from '../queue/read-task.js';
import { composeAnswer, outcomeOfEarlier } from './compose-answer.js';
import { type GenerationOutcome, generateAnswer } from './generate-answer.js';
import type { GenerateSettings } from './generate-settings.js';
import { fitConversation, readTurns, type TurnPlace } from './read-turns.js';

/** What answering one task needs. */
export interface TaskPlace extends TurnPlace {
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
export async function runTask(place: TaskPlace, asked: AskedTask): Promise<Answer> {
  const startedAt = performance.now();
  const content = await readAskedTask(place.reader, asked, place.maxTaskBytes);
  const compose = (outcome: GenerationOutcome, cached = false) =>
    composeAnswer(
      {
        taskId: asked.id,
        hash: content.hash,
        task: content.task,
        agent: place.agent,
        latencyMs: performance.now() - startedAt,
        nowMs: place.now(),
        maxAnswerBytes: place.maxAnswerBytes,
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
  for (let other = place.running.get(hash); other !== undefined; other = place.running.get(hash)) {
    const earlier = await other.catch(() => null);
    if (earlier?.answer != null) return compose(outcomeOfEarlier(earlier), true);
    if (place.running.get(hash) === other) place.running.delete(hash);
  }
  const mine = (async () => {
    const earlier = await readGoodAnswer(place, hash);
    if (earlier !== null) return compose(outcomeOfEarlier(earlier), true);
    return compose(await generateTask(place, asked.id, task));
  })();
  // Kept also when done: until its commit is seen on main, an equal task must find it here.
  place.running.set(hash, mine);
  const forget = () => place.running.delete(hash);
  mine.then((answer) => answer.answer === null && forget(), forget);
  return mine;
}

/** A reply goes to the model with the conversation before it; where that cannot be found, the error `context_missing` says why. */
async function generateTask(place: TaskPlace, id: string, task: TaskJson): Promise<GenerationOutcome> {
  const generate = (whole: TaskJson) =>
    generateAnswer(whole, place.generate, place.signal, place.onText ?? (() => {}));
  if (task.reply_to === undefined) return generate(task);
  const found = await readTurns(place, id, task.reply_to);
  if (!found.ok) {
    const error = { code: 'context_missing', message: `it continues a conversation, and ${found.reason}` };
    return { model: null, backend: null, answer: null, error };
  }
  const continued = fitConversation(task, found.turns, found.isLonger);
  return { ...(await generate(continued.task)), context: continued.context };
}

async function readGoodAnswer(place: TaskPlace, hash: string): Promise<Answer | null> {
  const blobId = place.goodAnswer(hash);
  const blob = blobId === undefined ? null : await place.reader.read(blobId);
  const read = blob === null ? null : readAnswer(blob.content, Number.POSITIVE_INFINITY);
  return read?.ok && read.value.answer !== null ? read.value : null;
}
