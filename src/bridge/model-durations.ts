import { type HistoryCommit, messageOf } from '../protocol/history.js';
import type { SameModel } from './wanted-model.js';

/**
 * How many of the newest answers of a model count: enough for a steady figure, and few enough to be of
 * today.
 */
const COUNTED = 20;

/** How long models take for an answer, as far as history says. */
export interface ModelDurations {
  /**
   * The median of the newest good answers of a model, milliseconds; null where it has none. For `null`, a
   * task that names no model, the median of the newest good answers of all models.
   */
  usualMs(model: string | null): number | null;
}

/**
 * Reads from answers, the oldest first, how long each model takes. Answers that were copied do not count.
 */
export function modelDurations(commits: readonly HistoryCommit[], sameModel: SameModel): ModelDurations {
  const all: number[] = [];
  const models = new Map<
    string,
    { readonly model: string; readonly backend: string; readonly ms: number[] }
  >();
  for (const commit of commits.toReversed()) {
    const { source } = commit;
    if (source === undefined || commit.statusTrailer !== 'ok' || messageOf(commit).kind !== 'answer')
      continue;
    const { model, backend, latencyMs } = source;
    const key = `${backend} ${model}`;
    const known = models.get(key) ?? { model, backend, ms: [] };
    models.set(key, known);
    if (known.ms.length < COUNTED) known.ms.push(latencyMs);
    if (all.length < COUNTED) all.push(latencyMs);
  }
  return {
    usualMs(wanted) {
      if (wanted === null) return medianOf(all);
      const same = [...models.values()].filter(
        ({ model, backend }) => model === wanted || sameModel(backend, wanted, model),
      );
      return medianOf(same.flatMap(({ ms }) => ms));
    },
  };
}

function medianOf(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length / 2) - 1] ?? null;
}
