import { estimateTokens } from '../protocol/estimate-tokens.js';
import type { StreamPiece } from '../protocol/stream.js';

/** A rate is measured over this time. Milliseconds. */
const WINDOW_MS = 10_000;

/** Pieces within this time are counted together. Milliseconds. */
const SLICE_MS = 500;

interface Counted {
  readonly atMs: number;
  tokens: number;
}

interface Generation {
  readonly firstAtMs: number;
  slices: Counted[];
}

/**
 * About how many tokens a second are generated of each task whose stream is heard. Model servers send one
 * token an event, so an event counts as one; the tokens of plain text are estimated.
 */
export class TokenRates {
  readonly #tasks = new Map<string, Generation>();

  /** Counts a piece of a stream. A second generation is counted from its own beginning. */
  take(task: string, piece: StreamPiece, nowMs = performance.now()): void {
    if ('begin' in piece || 'end' in piece) {
      this.#tasks.delete(task);
      return;
    }
    const text = 'text' in piece ? piece.text : 'thinking' in piece ? piece.thinking : null;
    const tokens = text === null ? 1 : estimateTokens(text);
    const generation = this.#tasks.get(task) ?? { firstAtMs: nowMs, slices: [] };
    this.#tasks.set(task, generation);
    const last = generation.slices.at(-1);
    if (last !== undefined && nowMs - last.atMs < SLICE_MS) last.tokens += tokens;
    else generation.slices.push({ atMs: nowMs, tokens });
    generation.slices = generation.slices.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
  }

  /** Tokens a second; null where nothing is heard of the task, or for too short a time. */
  of(task: string, nowMs = performance.now()): number | null {
    const generation = this.#tasks.get(task);
    if (generation === undefined) return null;
    const heardMs = Math.min(WINDOW_MS, nowMs - generation.firstAtMs);
    if (heardMs < SLICE_MS) return null;
    const tokens = generation.slices
      .filter(({ atMs }) => nowMs - atMs <= WINDOW_MS)
      .reduce((sum, slice) => sum + slice.tokens, 0);
    return tokens / (heardMs / 1000);
  }

  forget(task: string): void {
    this.#tasks.delete(task);
  }
}
