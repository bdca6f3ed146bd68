import type { AskedModel } from '../bridge/attendance.js';
import type { BridgeView } from '../bridge/bridge-view.js';
import { type BridgeAccess, openDoorbell } from '../bridge/connection.js';
import { followStream } from '../bridge/follow-stream.js';
import { createNotifier } from '../bridge/notifier.js';
import { startStopwatch } from '../bridge/stopwatch.js';
import { type SameModel, wantedModelOf } from '../bridge/wanted-model.js';
import { catchUpLog } from '../log/catch-up-log.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { type AnswerPiece, AnswerPieces } from './answer-pieces.js';
import { checkTerms } from './check-terms.js';
import type { Committed } from './commit-local.js';
import { commitToView, openToWrite } from './commit-to-view.js';
import { type FoundAnswer, findAnswer, findAnswered } from './find-answer.js';
import { taskSubmission } from './submission.js';
import type { TaskDraft } from './task-draft.js';
import { type LookPace, type Waiting, WaitingWatch } from './waiting-watch.js';

/** Options for a question. */
export interface AskOptions {
  /** Makes the task; called with the bridge's limit and the server's clock. */
  readonly draft: (terms: {
    readonly maxBytes: number;
    readonly nowMs: number;
    /** The whole id of the task that is replied to. */
    readonly replyTo: string | undefined;
    /** Whether to stream the answer: somebody listens (`onPiece`), and the bridge has streams. */
    readonly stream: boolean;
  }) => TaskDraft;
  /**
   * The task whose conversation continues: its id, or the beginning of it; LAST: the one that this asker
   * asked last. It must have an answer without an error.
   */
  readonly replyTo?: string | undefined;
  /** Do not wait for the answer. */
  readonly noWait?: boolean;
  /** Stop waiting after this time; the task stays asked. Default: as long as the task lives. */
  readonly timeoutMs?: number;
  /** The asker's name, where no key gives one. */
  readonly name?: string;
  readonly signal?: AbortSignal;
  /** Called once the task is on main. */
  readonly onAsked?: (task: string) => void;
  /**
   * Called when it is first known what the task waits for, and whenever that changes. Looking for it costs a
   * fetch now and then.
   */
  readonly onWaiting?: (waiting: Waiting) => void;
  /**
   * Called with the pieces of the answer while it is written, and in the end with the rest of it: the text
   * since the last `restart` is then the answer, to the byte. Must not throw. Default: nobody listens.
   */
  readonly onPiece?: (piece: AnswerPiece) => void;
  /** How soon and how often to look for what `onWaiting` tells. Default: WATCHFUL. */
  readonly looks?: LookPace;
  /**
   * `onWaiting` also tells the place in line and about how long it takes, with `sameModel`. Over ssh it
   * costs a fetch of the history in which tasks can be pending. Default: it does not.
   */
  readonly wantsPlace?: boolean;
  /** How spellings of a model are compared: for `model-away`, and for the place in line. */
  readonly sameModel?: SameModel;
}

/** `waiting`: no answer within the time; `asked`: not waited for. The task stays asked in both. */
export type AskOutcome =
  | { readonly status: 'asked'; readonly task: string }
  | { readonly status: 'waiting'; readonly task: string }
  | ({ readonly status: 'answered'; readonly task: string } & FoundAnswer);

/** With a doorbell this poll is a safety net; without one it is how an answer is found. Milliseconds. */
const SAFETY_POLL_MS = 30_000;
const POLL_MS = 2_000;

/**
 * Asks a bridge and waits for the answer. An error answer is an answer too: the caller looks at
 * `answer.error`. Throws BridgeError where the task could not be asked. Once it is asked, a lost network
 * only makes the wait longer.
 */
export async function ask(access: BridgeAccess, options: AskOptions): Promise<AskOutcome> {
  const view = await openToWrite(access, options.replyTo === undefined ? 'tip' : 'window', options);
  try {
    return await askInView(view, options);
  } finally {
    await view.close();
  }
}

/** The same in a view that is open to write, for whoever asks more than once. */
export async function askInView(view: BridgeView, options: AskOptions): Promise<AskOutcome> {
  const { maxTaskBytes: maxBytes, serverNow, taskTtlMs: ttlMs } = view.terms;
  const find = (text: string) => view.mended(() => findAnswered(view, text, options), options.signal);
  const replyTo = options.replyTo === undefined ? undefined : await find(options.replyTo);
  const stream = options.onPiece !== undefined && options.noWait !== true && view.terms.hasStreams;
  const draft = options.draft({ maxBytes, nowMs: serverNow(), replyTo, stream });
  checkTerms(draft.task, view.terms);
  const submission = taskSubmission(draft, () => ({ nowMs: serverNow(), ttlMs }));
  const asked = await commitToView(view, submission, options);
  options.onAsked?.(asked.id);
  if (options.noWait) return { status: 'asked', task: asked.id };
  const { sameModel } = options;
  const model = sameModel === undefined ? undefined : { wanted: wantedModelOf(draft.task), sameModel };
  const outcome = await waitAloud(view, asked, { ...options, asked: model });
  // The hook that should have logged the answer may have been killed.
  if (outcome.status === 'answered' && view.isLocal) await catchUpLog(view.repo);
  return outcome;
}

/** What is waited for: `asked` is the model that the task wants; absent where nobody is to know of it. */
type WaitOptions = AskOptions & { readonly asked: AskedModel | undefined };

/** Waits for the answer, and hands on its pieces meanwhile. */
async function waitAloud(view: BridgeView, asked: Committed, options: WaitOptions): Promise<AskOutcome> {
  const { onPiece } = options;
  if (onPiece === undefined) return await waitForAnswer(view, asked, options);
  const pieces = new AnswerPieces(onPiece);
  const enough = new AbortController();
  const listening = view.terms.hasStreams ? listen(view, asked.id, pieces, enough.signal) : null;
  try {
    const outcome = await waitForAnswer(view, asked, options);
    if (outcome.status === 'answered') pieces.finish(outcome.answer.answer);
    return outcome;
  } finally {
    enough.abort();
    await listening;
  }
}

async function listen(
  view: BridgeView,
  task: string,
  pieces: AnswerPieces,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of followStream(view.connection, task, signal)) {
    if (signal.aborted) return;
    pieces.take(piece);
  }
}

async function waitForAnswer(
  view: BridgeView,
  { id: task, isNew }: Committed,
  options: WaitOptions,
): Promise<AskOutcome> {
  const { signal } = options;
  const notifier = createNotifier();
  let rungTip: string | undefined;
  const ring = (to?: string) => {
    rungTip = to;
    notifier.ring();
  };
  const look = (sideRefs: boolean) => findNew(view, task, { signal, sideRefs });
  const doorbell = openDoorbell(view.connection, { ring });
  const watch = new WaitingWatch(view, task, options);
  const waitedMs = startStopwatch();
  const longestMs = Math.min(options.timeoutMs ?? Number.POSITIVE_INFINITY, view.terms.taskTtlMs);
  try {
    for (let isNews = !isNew; ; ) {
      const isDue = watch.inMs() <= 0;
      const found = isNews || isDue ? await look(isDue) : null;
      if (found !== null) return found;
      const leftMs = longestMs - waitedMs();
      if (isDue) await watch.look();
      if (signal?.aborted) return { status: 'waiting', task };
      if (leftMs <= 0) {
        if (!watch.isSilent()) return { status: 'waiting', task };
        // Whoever waits for a short time only is told as well why there is no answer.
        const last = await look(true);
        if (last === null) await watch.look();
        return last ?? { status: 'waiting', task };
      }
      const pollMs = doorbell.connected() ? SAFETY_POLL_MS : POLL_MS;
      const outcome = await notifier.wait(Math.min(leftMs, pollMs, watch.inMs()), signal);
      // Our own task rings the doorbell as well.
      isNews = outcome === 'timeout' || rungTip === undefined || ![task, view.tip()].includes(rungTip);
    }
  } finally {
    await doorbell.close();
  }
}

/** Fetches, and looks for the answer; null where there is none, or where a fetch may work again later. */
async function findNew(
  view: BridgeView,
  task: string,
  how: { readonly signal: AbortSignal | undefined; readonly sideRefs: boolean },
): Promise<AskOutcome | null> {
  try {
    const found = await view.mended(async () => {
      await view.refresh(how);
      return await findAnswer(view, task, how.signal);
    }, how.signal);
    return found === null ? null : { status: 'answered', task, ...found };
  } catch (error) {
    if (how.signal?.aborted) return null;
    if (error instanceof BridgeError && error.retryable) return null;
    throw error;
  }
}
