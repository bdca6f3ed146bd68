import type { StandInModels } from './stand-in-models.js';
import type { Refusal, StandInRequest } from './stand-in-request.js';

/** A piece of a streamed answer. */
export interface Piece {
  readonly kind: 'answer' | 'thinking';
  readonly text: string;
  /** Which of several answers it is part of. Default: the first. */
  readonly choice?: number;
}

/** A piece of the arguments of a call. */
export interface ToolPiece {
  readonly kind: 'tool';
  readonly text: string;
  readonly choice?: number;
  /** The place of the call among the calls of its answer. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** All arguments, for the servers that send a call whole. */
  readonly whole: string;
  readonly isFirst: boolean;
}

export type AnyPiece = Piece | ToolPiece;

/** The facts of a whole answer. */
export interface Turn {
  /** The model that answers. */
  readonly model: string;
  /** `stop`, `length`, or a word of the server's own. */
  readonly finishReason: string;
  /** The answer ends in calls of functions. */
  readonly callsTools: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly includeUsage: boolean;
  readonly choices: number;
  /** See StandInRequest. */
  readonly logprobs: number | null;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
}

/** An HTTP response that is not a stream. */
export interface Plain {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
  /** The header `Retry-After`. */
  readonly retryAfter?: string;
}

/** Writes a stream. */
export interface AnswerStream {
  /** What it begins with, before any text. */
  begin(): string;
  piece(piece: AnyPiece): string;
  end(): string;
}

/** The form of an answer on one path of one server. */
export interface AnswerForm {
  readonly streamType: string;
  /** A whole answer in one response. */
  whole(pieces: readonly AnyPiece[], turn: Turn): Plain;
  stream(turn: Turn): AnswerStream;
  /** An error in a stream that has begun. Default: that the model has crashed. */
  error(message?: string): string;
  readonly malformed: string;
  readonly alien: string;
}

/** How one server names its models and words its refusals, whatever the path. */
export interface ServerWords {
  /** Whether the requested model is one of these, by this server's rules for names. */
  has(models: readonly string[], model: string): boolean;
  /** Where it has only one model, that one answers to any name. */
  readonly answersToAny?: true;
  /** The response of the model list. */
  list(models: StandInModels, startedAtMs: number, isOld: boolean): Plain;
  refuse(refusal: Refusal, request: StandInRequest): Plain;
  /** What it says of a prompt that has more tokens than the context. */
  overflow(promptTokens: number, context: number): Plain;
}

/** How one path of one server is spoken: how it reads requests and writes responses. */
export interface SpokenPath extends AnswerForm {
  /** Reads a request; returns a `Plain` where the server would refuse its form. */
  read(body: unknown): StandInRequest | Plain;
}

/** The same with how that server names its models and words its refusals. */
export interface Wire extends ServerWords, SpokenPath {}

/** Of a request by OpenAI's or Anthropic's API, which has no words for what Ollama's says of the context. */
export const NO_CONTEXT_WORDS = { numCtx: null, truncate: false, shift: false } as const;

/** Of a request by an API that always gives one answer, and counts its tokens. */
export const ONE_ANSWER = { includeUsage: true, choices: 1, logprobs: null } as const;

/** What llama.cpp says of a picture for a model that takes none. */
export const NO_IMAGES =
  'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj';

/** A JSON response. */
export function plainJson(status: number, value: unknown): Plain {
  return { status, body: JSON.stringify(value), contentType: 'application/json; charset=utf-8' };
}

/** An event of a stream (SSE). */
export function event(value: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(value)}\n\n`;
}

/** The text of the pieces of one kind, of one of the answers. */
export function textOf(pieces: readonly AnyPiece[], kind: AnyPiece['kind'], choice = 0): string {
  return pieces
    .filter((piece) => piece.kind === kind && (piece.choice ?? 0) === choice)
    .map(({ text }) => text)
    .join('');
}

/** The calls of one of the answers, each by its first piece. */
export function callsOf(pieces: readonly AnyPiece[], choice = 0): ToolPiece[] {
  return pieces
    .filter((piece) => piece.kind === 'tool')
    .filter((piece) => {
      return piece.isFirst && (piece.choice ?? 0) === choice;
    });
}

/** A token with its log probability, as all servers name it. */
export function logprobOf(token: string, top: number): Record<string, unknown> {
  const entry = (text: string, logprob: number) => ({ token: text, logprob, bytes: [...Buffer.from(text)] });
  const others = Array.from({ length: Math.max(0, top - 1) }, (_, at) => entry(` other ${at}`, -3 - at));
  return { ...entry(token, -0.25), top_logprobs: top === 0 ? [] : [entry(token, -0.25), ...others] };
}
