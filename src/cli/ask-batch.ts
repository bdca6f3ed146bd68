import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { BridgeAccess } from '../bridge/connection.js';
import {
  BATCH_ENDPOINTS,
  type BatchEndpoint,
  checkLines,
  type LineError,
} from '../gateway/batches/batch-lines.js';
import { readLines } from '../gateway/batches/file-lines.js';
import { takeIn } from '../gateway/batches/take-in.js';
import { BridgeError, usageError } from '../protocol/bridge-error.js';
import { printable } from './batch-words.js';
import { openBatches } from './open-batches.js';

/** A file of requests that is to be asked. */
export interface AskedBatch {
  readonly file: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly name: string | undefined;
  readonly signal: AbortSignal;
  /** Is told, a line each, which lines are wrong, and what is tried again. */
  readonly say: (line: string) => void;
}

/** What `ask --batch` has done: `isNew` is false where all of it was asked before. */
export interface BatchAsked {
  readonly id: string;
  readonly total: number;
  readonly isNew: boolean;
}

/**
 * Puts a file of requests on a bridge as a batch, without a gateway. The same file of the same asker, with
 * the same metadata, is the same batch: a run that was interrupted is run again, and nothing is asked twice.
 * Throws BridgeError `usage` where lines are wrong (all of them are told), and as openBatches does.
 */
export async function askBatch(access: BridgeAccess, asked: AskedBatch): Promise<BatchAsked> {
  const { file, metadata, name, signal, say } = asked;
  const endpoint = await endpointIn(file);
  const { calls, bridge, index } = await openBatches(access, name, (error) =>
    say(error instanceof Error ? error.message : String(error)),
  );
  try {
    const { maxTaskBytes, taskTtlMs, serverNow } = calls.view.terms;
    const rules = { endpoint, maxTaskBytes };
    const { total, errors } = await checkLines(file, rules, (model) => calls.hasModel(model));
    if (errors.length > 0) throw wrongLines(file, errors, say);
    const id = await idOf(file, calls.asker, metadata);
    await index.refresh({ now: true });
    const before = index.get(id);
    const hours = Math.min(9999, Math.max(1, Math.floor(taskTtlMs / 3_600_000)));
    const head = before?.head ?? {
      ...{ endpoint, total, input_file_id: path.basename(file).slice(0, 200) },
      ...{ completion_window: `${hours}h`, created_at: Math.floor(serverNow() / 1000) },
      metadata: Object.keys(metadata).length === 0 ? null : metadata,
    };
    if (before?.tasks.size === total) return { id, total, isNew: false };
    const outcome = await takeIn(bridge, index, { id, head, file, metadata: {} }, () => !signal.aborted);
    if (outcome === 'done') return { id, total, isNew: true };
    throw new BridgeError(`stopped before all of ${file} was asked`, {
      code: 'stopped',
      remedy: 'run the same again: it goes on where it was',
    });
  } finally {
    await calls.close();
  }
}

/** The url of the first request; all others must have the same. */
async function endpointIn(file: string): Promise<BatchEndpoint> {
  let isEmpty = true;
  try {
    for await (const { bytes } of readLines(file, MAX_FIRST_BYTES)) {
      isEmpty = false;
      const { url } = JSON.parse(bytes?.toString('utf8') ?? '{}') as { readonly url?: unknown };
      const found = BATCH_ENDPOINTS.find((one) => one === url);
      if (found !== undefined) return found;
      break;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw usageError(`cannot read ${file} (${code})`, 'check the path');
    throw usageError(`${file}:1: is not JSON: ${printable(message)}`, 'see docs/batches.md for its form');
  }
  if (isEmpty) throw usageError(`${file} has no request in it`, 'see docs/batches.md for its form');
  throw usageError(`${file}:1: has no url of a batch`, `it may be ${BATCH_ENDPOINTS.join(', ')}`);
}

/** A longer first line is not read: no bridge takes such a request. Bytes. */
const MAX_FIRST_BYTES = 64 * 1024 * 1024;

async function idOf(
  file: string,
  asker: string,
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([asker, Object.entries(metadata).sort()]));
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return `batch_${hash.digest('hex').slice(0, 24)}`;
}

function wrongLines(file: string, errors: readonly LineError[], say: (line: string) => void): BridgeError {
  for (const { line, message } of errors.slice(1))
    say(printable(line === null ? `${file}: ${message}` : `${file}:${line}: ${message}`));
  const [first] = errors;
  const where = first?.line === null || first === undefined ? file : `${file}:${first.line}`;
  return usageError(`${where}: ${first?.message}`, 'put it right and run the same again: nothing was asked');
}
