import type { TransportLimits } from './transport.js';

/**
 * The limits of a list of models. Ollama needs some 700 bytes for each model, LM Studio 100. It may come
 * from a disk that has to spin up first.
 */
export const LIST_LIMITS: TransportLimits = { maxBodyBytes: 2 * 1024 * 1024, timeoutMs: 60_000 };

/** Bytes that a stream may have beside those of its answer, and that one of its lines or events may have. */
const STREAM_SLACK_BYTES = 4 * 1024 * 1024;
const LINE_SLACK_BYTES = 64 * 1024;

/** Each token comes in 130 to 400 bytes of JSON, and may be a single byte itself. */
const STREAM_BYTES_PER_BYTE = 512;

/** A whole answer may come in one line, each of its characters escaped: `\u0436` for two bytes. */
const LINE_BYTES_PER_BYTE = 3;

/**
 * The most bytes of a stream whose answer may have `maxAnswerBytes`. Its deadlines are those of the task.
 */
export function streamLimits(maxAnswerBytes: number): TransportLimits {
  return { maxBodyBytes: STREAM_SLACK_BYTES + STREAM_BYTES_PER_BYTE * maxAnswerBytes };
}

/**
 * The most bytes of one line, or one event, of such a stream: less than 200 MB of memory once it is parsed,
 * whatever it is.
 */
export function maxLineBytes(maxAnswerBytes: number): number {
  return LINE_SLACK_BYTES + LINE_BYTES_PER_BYTE * maxAnswerBytes;
}
