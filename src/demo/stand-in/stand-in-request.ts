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
