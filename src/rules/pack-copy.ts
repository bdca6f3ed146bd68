import { fstatSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BridgeSettings } from '../bridge/bridge-settings.js';
import type { ObjectReader } from '../git/object-reader.js';
import { idsInPack } from '../git/read-pack.js';
import type { Repository } from '../git/run-git.js';

/**
 * The descriptor of the pack's copy in the hooks of a push over ssh: see `ssh-command` and `receive-pack`.
 */
export const PACK_COPY = 7;

/** The copy of the pack, and what is needed to read it. */
export interface PackCopyContext {
  /** The repository as the hook sees it, with the objects in quarantine. */
  readonly repo: Repository;
  readonly reader: ObjectReader;
  /** 20 for SHA-1, 32 for SHA-256. */
  readonly idBytes: number;
  readonly settings: Promise<BridgeSettings>;
  /**
   * The descriptor of the copy of the pack that the gate makes; null where the push did not come through the
   * gate.
   */
  readonly packCopy: number | null;
}

/** How long to wait for the copy: the gate writes it a moment after git has the same bytes. */
const COPY_WITHIN_MS = 1_000;
const COPY_EVERY_MS = 5;

/**
 * How much of the copy is unpacked besides two of the largest messages: trees and commits.
 * Everything beyond counts as not sent.
 */
const MAX_SMALL_BYTES = 1024 * 1024;

/**
 * The ids of the objects in the pack that are made only of the pack and of what is `shown`. An object
 * that the store already has leaves no other trace, because git does not unpack it again. Honest pushers
 * send such objects too: for example after a push that was let in and lost the race for the ref, or where
 * the same question was asked before. Null where there is no copy.
 */
export async function readPackCopy(
  { repo, reader, settings, packCopy, idBytes }: PackCopyContext,
  shown: () => Promise<ReadonlySet<string>>,
): Promise<ReadonlySet<string> | null> {
  if (packCopy === null) return null;
  // No pack came: for example the push only deletes refs.
  if (repo.env.GIT_QUARANTINE_PATH === undefined) return new Set();
  const { maxTaskBytes, maxAnswerBytes } = await settings;
  const maxBytes = MAX_SMALL_BYTES + 2 * Math.max(maxTaskBytes, maxAnswerBytes);
  const base = async (id: string) => ((await shown()).has(id) ? readBase(reader, id) : null);
  for (const startedMs = performance.now(); performance.now() - startedMs < COPY_WITHIN_MS; ) {
    // A pack is hardly ever larger than its unpacked contents.
    const pack = readFrom(packCopy, maxBytes + MAX_SMALL_BYTES);
    if (pack === null) return null;
    const ids = await idsInPack(pack, { idBytes, maxBytes, base });
    if (ids !== null) return ids;
    await sleep(COPY_EVERY_MS);
  }
  return null;
}

async function readBase(reader: ObjectReader, id: string) {
  const object = await reader.read(id);
  return object === null ? null : { type: object.info.type, content: object.content };
}

/**
 * Reads the first bytes of an open file without moving its position, which others share. Null
 * where the descriptor is not a file.
 */
function readFrom(descriptor: number, maxBytes: number): Buffer | null {
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return null;
    const bytes = Buffer.alloc(Math.min(stats.size, maxBytes));
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
  } catch {
    return null;
  }
}
