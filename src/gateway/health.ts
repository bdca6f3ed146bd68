import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import path from 'node:path';
import { readTerms } from '../bridge/bridge-terms.js';
import { readRef } from '../git/refs.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { Calls } from './calls.js';

/** However often somebody asks, the bridge is looked at no more often than this. Milliseconds. */
const AGE_MS = 5_000;

/** With less than this a push fails soon. Bytes. */
const MIN_FREE_BYTES = 16 * 1024 * 1024;

/**
 * Opens the look at whether a bridge can be written: null where it can, else why not, in a few words that
 * tell a stranger nothing. On its own machine its files are looked at, elsewhere the server is asked.
 */
export function openHealth({ view }: Pick<Calls, 'view'>): () => Promise<string | null> {
  let last: { readonly value: Promise<string | null>; readonly atMs: number } | null = null;
  return () => {
    if (last !== null && performance.now() - last.atMs < AGE_MS) return last.value;
    last = { value: look().catch(() => 'the bridge cannot be read'), atMs: performance.now() };
    return last.value;
  };

  async function look(): Promise<string | null> {
    if (!view.isLocal) {
      const terms = await readTerms(view.connection).catch(whyNot);
      if (typeof terms === 'string') return terms;
      if (terms.principal?.role === 'agent') return 'the key may not ask';
      return terms.isWritable ? null : 'the server cannot write: its disk is full, or read-only';
    }
    const { gitDir } = view.repo;
    if ((await readRef(view.repo, view.ref)) === null) return 'the bridge has no main';
    const isWritable = await access(path.join(gitDir, 'objects'), constants.W_OK).then(
      () => true,
      () => false,
    );
    if (!isWritable) return 'the bridge cannot be written';
    const { bavail, bsize } = await statfs(gitDir);
    return bavail * bsize < MIN_FREE_BYTES ? 'the disk is full' : null;
  }
}

/** A server that answers and lets us do nothing is not one that is away. */
function whyNot(error: unknown): string {
  const isAway = error instanceof BridgeError && error.retryable;
  return isAway ? 'the server cannot be reached' : 'the server does not let the gateway in, or is no bridge';
}
