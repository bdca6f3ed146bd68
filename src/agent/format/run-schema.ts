import { Worker } from 'node:worker_threads';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';
import { BackendError } from '../backends/backend.js';

/** What the thread is started with: the schema, as JSON. */
export interface SchemaWorkerData {
  readonly schema: string;
}

/** What the thread is told to do: check this JSON; null: compile the schema, and no more. */
export interface SchemaJob {
  readonly value: string | null;
}

/**
 * What the thread says: once that it is loaded; then, for each job, what does not fit (or null), or why the
 * schema cannot be used.
 */
export type SchemaWorkerMessage =
  | { readonly ready: true }
  | { readonly fault: string | null }
  | { readonly unusable: string };

/** A schema that compiles, in a thread of its own. */
export interface RunningSchema {
  /**
   * What does not fit in this JSON; null where all does. Rejects with BackendError `invalid_schema` where
   * the schema cannot be carried out.
   */
  faultOf(json: string): Promise<string | null>;
  /**
   * Ends the thread. Has to be called. Resolves when the thread has ended: a built-in function that runs in
   * it is not interrupted.
   */
  close(): Promise<void>;
}

/** How long loading the validator may take. A fifth of a second is usual. Milliseconds. */
const MAX_START_MS = 120_000;

/**
 * How much processor time this process may use while a schema is compiled, or a value is checked with it.
 * Ordinary schemas need a few milliseconds. Not a time by the clock, which runs on while a model has the
 * processor. Milliseconds.
 */
const MAX_JOB_CPU_MS = 2000;

/** The same by the clock, for a thread that gets no processor time. Milliseconds. */
const MAX_JOB_MS = 120_000;

/** The memory of the thread, in MB: the validator takes 15 of it. */
const MAX_HEAP_MB = 64;

/** What a byte of JSON may take once it is parsed, in bytes: `[{},{},…]` takes that much. */
const HEAP_BYTES_PER_JSON_BYTE = 64;

const MAX_MESSAGE_CHARS = 500;

/**
 * Compiles a schema in a thread that is started for it. A schema is a small program of whoever asks: it may
 * take all the time and memory there is. The thread has limits of its own, and nothing else waits for it. An
 * agent without such a task has no validator in its memory. `maxValueBytes` is the longest JSON that will be
 * checked. Rejects with BackendError `invalid_schema` where the schema does not compile, and with the
 * signal's reason once that is aborted.
 */
export async function runSchema(
  schema: string,
  maxValueBytes: number,
  signal: AbortSignal,
): Promise<RunningSchema> {
  signal.throwIfAborted();
  const heapMb = MAX_HEAP_MB + Math.ceil((maxValueBytes * HEAP_BYTES_PER_JSON_BYTE) / 1024 ** 2);
  const workerData: SchemaWorkerData = { schema };
  const worker = new Worker(new URL('./schema-worker.js', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 16 },
    // It needs none of this process's environment, and none of the options that this one was started with.
    env: {},
    execArgv: [],
  });
  let failure: unknown;
  let said = (_message: SchemaWorkerMessage) => {};
  let failed = (_error: unknown) => {};
  const fail = (error: unknown) => {
    failure ??= error;
    failed(failure);
  };
  const abort = () => fail(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  worker.on('message', (message: SchemaWorkerMessage) => said(message));
  worker.on('error', (error: NodeJS.ErrnoException) => {
    const isTooLarge = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    fail(isTooLarge ? invalidSchema(`it needs more than ${heapMb} MB of memory to check`) : error);
  });
  worker.on('exit', () => fail(new Error('the validator of JSON Schema ended by itself')));

  /** What the thread says next. After any failure the thread cannot be used any more. */
  async function next(maxMs: number, maxCpuMs: number, late: Error): Promise<SchemaWorkerMessage> {
    if (failure !== undefined) throw failure;
    const startedAt = performance.now();
    const cpuAtStart = cpuMs();
    let timer: NodeJS.Timeout | undefined;
    const look = () => {
      const leftMs = Math.min(maxCpuMs - (cpuMs() - cpuAtStart), maxMs - (performance.now() - startedAt));
      if (leftMs <= 0) fail(late);
      else timer = setTimeout(look, Math.max(leftMs, 10));
    };
    look();
    try {
      return await new Promise<SchemaWorkerMessage>((resolve, reject) => {
        said = resolve;
        failed = reject;
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async function run(job: SchemaJob): Promise<string | null> {
    const late = invalidSchema(`it needs more than ${MAX_JOB_CPU_MS} ms to check`);
    const reply = next(MAX_JOB_MS, MAX_JOB_CPU_MS, late);
    worker.postMessage(job);
    const message = await reply;
    if ('fault' in message) return message.fault;
    throw invalidSchema('unusable' in message ? message.unusable : 'it was not checked');
  }

  async function close(): Promise<void> {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }

  try {
    const late = new Error('the validator of JSON Schema did not start');
    await next(MAX_START_MS, Number.POSITIVE_INFINITY, late);
    await run({ value: null });
  } catch (error) {
    void close();
    throw error;
  }
  return { faultOf: (json) => run({ value: json }), close };
}

/** What all threads of this process have used of the processor so far. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The error for a schema that cannot be used, in one bounded line. */
export function invalidSchema(text: string): BackendError {
  const message = oneLine(`the JSON Schema in "format" cannot be used: ${text}`);
  return new BackendError('invalid_schema', excerpt(message, MAX_MESSAGE_CHARS));
}
