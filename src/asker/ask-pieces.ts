import type { BridgeAccess } from '../bridge/connection.js';
import { createNotifier } from '../bridge/notifier.js';
import type { AnswerPiece } from './answer-pieces.js';
import { type AskOptions, type AskOutcome, ask } from './ask.js';

/** A piece of an answer; the last one is how it ended. */
export type PieceOrOutcome = AnswerPiece | { readonly outcome: AskOutcome };

/** How long one wait lasts where nothing comes. Milliseconds. */
const LONG_MS = 60_000;

/**
 * Like `ask`, and yields the answer while it is written: the text since the last `restart` is the answer, to
 * the byte, once the outcome has come. Leaving the loop ends the waiting, and the task stays asked. Throws
 * what `ask` throws.
 */
export async function* askPieces(
  access: BridgeAccess,
  options: Omit<AskOptions, 'onPiece'>,
): AsyncGenerator<PieceOrOutcome, void, undefined> {
  const left = new AbortController();
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
  const waiting: PieceOrOutcome[] = [];
  const notifier = createNotifier();
  let isOver = false;
  const asking = ask(access, {
    ...options,
    signal,
    onPiece(piece) {
      waiting.push(piece);
      notifier.ring();
    },
  })
    .then((outcome) => void waiting.push({ outcome }))
    .finally(() => {
      isOver = true;
      notifier.ring();
    });
  // It is thrown below, after the pieces that came before it were taken.
  asking.catch(() => {});
  try {
    while (!isOver || waiting.length > 0) {
      yield* waiting.splice(0);
      if (!isOver && waiting.length === 0) await notifier.wait(LONG_MS);
    }
    await asking;
  } finally {
    left.abort(new Error('nobody listens any more'));
    await asking.catch(() => {});
  }
}
