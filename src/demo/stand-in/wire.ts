import type { StandInModels } from './stand-in-models.js';
import type { Refusal, StandInRequest } from './stand-in-request.js';

/** A piece of an answer on its way. */
export interface Piece {
  readonly kind: 'answer' | 'thinking';
  readonly text: string;
}

/** The facts of a whole answer. */
export interface Turn {
  /** The model that answers. */
  readonly model: string;
  readonly finishReason: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly includeUsage: boolean;
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

/** A wire format: how its server reads requests and writes responses. */
export interface Wire {
  readonly streamType: string;
  /** Reads a chat request; returns a `Plain` where the server would refuse its form. */
  read(body: unknown): StandInRequest | Plain;
  /** Whether the requested model is one of these, by this server's rules for names. */
  has(models: readonly string[], model: string): boolean;
  /** Where it has one model, that one answers whatever name it is asked by. */
  readonly answersToAny?: true;
  /** The response of the model list. */
  list(models: StandInModels, startedAtMs: number, isOld: boolean): Plain;
  refuse(refusal: Refusal, request: StandInRequest): Plain;
  /** What it says of a prompt that has more tokens than the context. */
  overflow(promptTokens: number, context: number): Plain;
  /** A whole answer in one response. */
  whole(pieces: readonly Piece[], turn: Turn): Plain;
  /** What a stream begins with, before any text. Default: nothing. */
  begin?(turn: Turn): string;
  /** The lines of a stream. */
  piece(piece: Piece, turn: Turn): string;
  end(turn: Turn): string;
  /** Default: that the model has crashed. */
  error(message?: string): string;
  malformed: string;
  alien: string;
}

/** What llama.cpp says of a picture for a model that takes none. */
export const NO_IMAGES =
  'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj';

/** A JSON response. */
export function plainJson(status: number, value: unknown): Plain {
  return { status, body: JSON.stringify(value), contentType: 'application/json; charset=utf-8' };
}
