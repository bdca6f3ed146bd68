import type { TransportLimits } from './transport.js';

/**
 * A list of models: Ollama needs some 700 bytes for each, LM Studio 100. It comes from a disk at once, or
 * from one that has to spin up.
 */
export const LIST_LIMITS: TransportLimits = { maxBodyBytes: 2 * 1024 * 1024, timeoutMs: 60_000 };

/** What a stream may have beside the bytes of the answer, and a line or event of it likewise. */
const STREAM_SLACK_BYTES = 4 * 1024 * 1024;
const LINE_SLACK_BYTES = 64 * 1024;

/** Each token is wrapped into 130 to 400 bytes of JSON, and may be a single byte itself. */
const STREAM_BYTES_PER_BYTE = 512;

/** A whole answer may come in one line, each of its characters escaped: `\u0436` for two bytes. */
const LINE_BYTES_PER_BYTE = 3;

/** The most bytes of a stream that brings an answer of so many bytes. Its deadlines are those of the task. */
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
