/** The two wire formats the stand-in speaks, named as the backends that use them. */
export type WireName = 'ollama' | 'lmstudio';

/** A chat request, read out of either wire format. */
export interface StandInRequest {
  readonly wire: WireName;
  /** As asked for; may be a model that is not there. */
  readonly model: string;
  /** The text of the last message of the user. */
  readonly question: string;
  /** All text of the conversation, for counting. */
  readonly conversation: string;
  readonly stream: boolean;
  /** OpenAI's `stream_options.include_usage`; Ollama always counts. */
  readonly includeUsage: boolean;
  /** `json`, a JSON Schema, or nothing. */
  readonly format: unknown;
}

/** A request as it came, for tests to look at. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON; undefined where there was none. */
  readonly body: unknown;
  /** Settles once the response is over: whole, or given up because either side closed the connection. */
  readonly ended: Promise<'complete' | 'lost'>;
}

/** What goes wrong in the middle of a streamed answer, after `afterChunks` chunks of text. */
export interface Fault {
  readonly afterChunks: number;
  /**
   * `die`: the socket is destroyed. `end`: the body ends in good order, but before the answer does. `error`: the server says
   * `message` in a line of its wire format, under the HTTP 200 that is out already. `malformed`: a line that is no JSON.
   * `alien`: a line of JSON that is no chunk of the wire format.
   */
  readonly kind: 'die' | 'end' | 'error' | 'malformed' | 'alien';
  readonly message?: string;
}

/** Why a request is turned down before any answer. The wire formats word each kind as their servers do. */
export type Refusal =
  | { readonly kind: 'model-missing' | 'no-model-loaded' | 'context-overflow' }
  | { readonly kind: 'http'; readonly status: number; readonly body: string; readonly contentType?: string };

/** How the stand-in takes one request. `{}` is a quick, correct answer. */
export interface Behaviour {
  /** What the model says. Default: see `defaultAnswer`; with a schema, JSON that fits it. `''` is an empty answer. */
  readonly answer?: string;
  /** What the model thinks first; sent apart from the answer, in the field the wire format has for it. */
  readonly thinking?: string;
  /** Sends the thinking as `<think>…</think>` in front of the answer instead. */
  readonly rawThinkTags?: boolean;
  /** LM Studio's oddity: the answer comes as reasoning, and the content stays empty. */
  readonly answerAsReasoning?: boolean;
  /** The model the answer says it is from. Default: the one that was asked for. */
  readonly model?: string;
  /** `done_reason` or `finish_reason`. Default `stop`. */
  readonly finishReason?: string;
  /** Default: counted in words. */
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number };
  /** The first token waits for this. */
  readonly firstTokenAfter?: Promise<unknown>;
  /** Sends status and headers at once, and not with the first token. */
  readonly headersAtOnce?: boolean;
  readonly pause?: { readonly afterChunks: number; readonly until: Promise<unknown> };
  readonly fault?: Fault;
  readonly refuse?: Refusal;
}

/** Chooses the behaviour for a request. */
export type Behave = (request: StandInRequest) => Behaviour;

/** The given behaviours, one a request, and `{}` once they are used up. */
export function inTurn(...behaviours: readonly Behaviour[]): Behave {
  const left = [...behaviours];
  return () => left.shift() ?? {};
}
