import type { RequestPath } from '../../protocol/request.js';

/** The wire formats the stand-in speaks, named as the backends that use them. */
export type WireName = 'ollama' | 'lmstudio' | 'openai';

/** A request for an answer, read from the body of any path. */
export interface StandInRequest {
  readonly wire: WireName;
  /** The path of its API, without a prefix that the server has. */
  readonly path: RequestPath;
  /** As asked for; the stand-in may not have it. */
  readonly model: string;
  /** The text of the user's last message. */
  readonly question: string;
  /** All text of the conversation, for counting. */
  readonly conversation: string;
  readonly stream: boolean;
  /** There is a picture in it. */
  readonly hasImages: boolean;
  /** OpenAI's `stream_options.include_usage`; Ollama always counts. */
  readonly includeUsage: boolean;
  /** `json`, a JSON Schema, or nothing. */
  readonly format: unknown;
  /** The context that is asked for, in tokens; null: the server's own. */
  readonly numCtx: number | null;
  /** Ollama's `truncate`: whether a prompt that does not fit is cut. */
  readonly truncate: boolean;
  /** Ollama's `shift`: whether an answer that does not fit pushes the prompt out of the context. */
  readonly shift: boolean;
  /** The names of the functions that the model may call. */
  readonly tools: readonly string[];
  /** How many answers are asked for: OpenAI's `n`. */
  readonly choices: number;
  /** How many likely tokens are named beside each token; null: no log probabilities are asked for. */
  readonly logprobs: number | null;
}

/** A call of a function that the model makes. */
export interface ToolCall {
  readonly name: string;
  /** Sent as JSON; a string goes out as it is, whatever is in it. Ollama's own API has only objects. */
  readonly arguments: Readonly<Record<string, unknown>> | string;
  /** Default: `call_stand_in_` and its place. */
  readonly id?: string;
}

/** A request as it arrived, for tests to check. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON; undefined where there was no body. */
  readonly body: unknown;
  /** Settles once the response is over: complete, or given up because one side closed the connection. */
  readonly ended: Promise<'complete' | 'lost'>;
}

/** A failure in the middle of a streamed answer, after `afterChunks` chunks of text. */
export interface Fault {
  readonly afterChunks: number;
  /**
   * `die`: the socket is destroyed. `end`: the body ends properly, but before the answer does. `error`: the
   * server sends `message` in a line of its wire format, after the HTTP 200; default: that the model has
   * crashed, in its own words. `malformed`: a line that is not JSON. `cut`: the body ends properly, but in
   * the middle of a line. `alien`: a line of JSON that is not a chunk of the wire format.
   */
  readonly kind: 'die' | 'end' | 'error' | 'malformed' | 'cut' | 'alien';
  readonly message?: string;
}

/**
 * Why a request is refused before any answer. Each wire format words it as its server does. `retryAfter` is
 * the header of that name.
 */
export type Refusal =
  | {
      readonly kind:
        | 'model-missing'
        | 'cannot-chat'
        | 'no-model-loaded'
        | 'no-images'
        | 'context-overflow'
        | 'crashed'
        | 'out-of-memory';
    }
  | { readonly kind: 'busy'; readonly retryAfter?: string }
  | {
      readonly kind: 'http';
      readonly status: number;
      readonly body: string;
      readonly contentType?: string;
      readonly retryAfter?: string;
    };

/** How the stand-in answers one request. `{}` is a quick, correct answer. */
export interface Behaviour {
  /**
   * The text of the answer. Default: see `defaultAnswer`; with a schema, JSON that fits it. `''` is an empty
   * answer.
   */
  readonly answer?: string;
  /** The model's thinking, sent before the answer in the wire format's own field for it. */
  readonly thinking?: string;
  /** Sends the thinking as `<think>…</think>` in front of the answer instead. */
  readonly rawThinkTags?: boolean;
  /** Sent where the request offers tools, after the answer, which is empty by default then. */
  readonly toolCalls?: readonly ToolCall[];
  /** Sends the text in pieces of this many characters, wherever that cuts, and not word by word. */
  readonly pieceChars?: number;
  /** Sends this piece after the answer, again and again without end. */
  readonly endless?: { readonly kind: 'answer' | 'thinking'; readonly text: string };
  /** A quirk of LM Studio: the answer comes as reasoning, and the content stays empty. */
  readonly answerAsReasoning?: boolean;
  /** The model named in the answer. Default: the one that was asked for. */
  readonly model?: string;
  /** `done_reason` or `finish_reason`. Default `stop`. */
  readonly finishReason?: string;
  /** Default: counted in words. */
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number };
  /** The first token is sent only after this. */
  readonly firstTokenAfter?: Promise<unknown>;
  /** Sends status and headers at once instead of with the first token. */
  readonly headersAtOnce?: boolean;
  /**
   * Waited for before each chunk of text, so that a model can have any pace. `sent`: how many chunks went
   * out before it.
   */
  readonly beforeChunk?: (sent: number) => Promise<unknown>;
  readonly pause?: { readonly afterChunks: number; readonly until: Promise<unknown> };
  readonly fault?: Fault;
  readonly refuse?: Refusal;
}

/** Chooses the behaviour for a request. */
export type Behave = (request: StandInRequest) => Behaviour;

/** Uses the given behaviours, one for each request, and `{}` after the last. */
export function inTurn(...behaviours: readonly Behaviour[]): Behave {
  const left = [...behaviours];
  return () => left.shift() ?? {};
}
