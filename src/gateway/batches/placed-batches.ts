import type { BridgeView } from '../../bridge/bridge-view.js';
import type { ApiError } from '../api-errors.js';
import type { StoredFile } from './batch-files.js';
import { type BatchFacts, batchObject, batchStatus } from './batch-object.js';
import type { Batches } from './batches.js';
import type { KeyedBatch } from './keyed-batches.js';

/** A bridge that has batches. */
export interface BatchPlace {
  readonly view: BridgeView;
  readonly batches: Batches;
}

/** The bridges on which the batches of a gateway are. */
export interface BatchPlaces {
  /** Those that can be used now. */
  all(): readonly BatchPlace[];
  /** The one on which a batch of this file is made. Throws ApiError where none can take it. */
  forFile(file: StoredFile): Promise<BatchPlace>;
  /** Whether no third party may read any batch; else only those that say so. */
  readonly localOnly?: boolean | undefined;
  /** The error for an id that is on none of them: there is none, or not all can be read. */
  notFound(message: string): ApiError;
}

/** A batch, and the bridge that it is on. */
export interface PlacedBatch extends BatchPlace {
  readonly facts: BatchFacts;
}

/** A batch of this token, wherever it is; null where none of the bridges has it. */
export async function findBatch(
  places: BatchPlaces,
  id: string,
  token: string | null,
): Promise<PlacedBatch | null> {
  for (const place of places.all()) {
    const facts = await place.batches.find(id, token);
    if (facts !== null) return { ...place, facts };
  }
  return null;
}

/** The batch of this token that was made with this key, wherever it is; null where there is none. */
export async function findByKey(
  places: BatchPlaces,
  key: string,
  token: string | null,
): Promise<{ readonly keyed: KeyedBatch; readonly placed: PlacedBatch } | null> {
  for (const place of places.all()) {
    const keyed = await place.batches.withKey(key, token);
    const facts = keyed === null ? null : await place.batches.find(keyed.id, token);
    if (keyed !== null && facts !== null) return { keyed, placed: { ...place, facts } };
  }
  return null;
}

/** The batches of this token on all bridges, the newest first. */
export async function listBatches(places: BatchPlaces, token: string | null): Promise<PlacedBatch[]> {
  const lists = await Promise.all(
    places
      .all()
      .map(async (place) => (await place.batches.list(token)).map((facts) => ({ ...place, facts }))),
  );
  return lists.flat().sort((a, b) => b.facts.head.created_at - a.facts.head.created_at);
}

/** A batch as OpenAI's contract has it. */
export function objectOf({ view, facts }: PlacedBatch): ReturnType<typeof batchObject> {
  return batchObject(facts, view.terms.serverNow());
}

/** How it is now, by the clock of its bridge. */
export function statusOf({ view, facts }: PlacedBatch): ReturnType<typeof batchStatus> {
  return batchStatus(facts, view.terms.serverNow());
}
