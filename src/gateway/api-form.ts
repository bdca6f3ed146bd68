/**
 * The three APIs that clients speak here, each with its own form of errors, models and streams. They are
 * told apart by their paths: `v1` is OpenAI's, `messages` is Anthropic's, `api` is Ollama's.
 */
export type ApiForm = 'v1' | 'messages' | 'api';

/** The parts of a call that tell its API. */
interface CallLine {
  /** The path, without its query. */
  readonly path: string;
  /** Whether it has the header `anthropic-version`: a path of two APIs is then answered in that form. */
  readonly saysVersion?: boolean | undefined;
}

/** The API that a call is meant for. What belongs to none of them is answered as `v1`, the usual one. */
export function apiFormOf({ path, saysVersion = false }: CallLine): ApiForm {
  if (path === '/' || path === '/api' || path.startsWith('/api/')) return 'api';
  if (path === '/v1/messages' || path.startsWith('/v1/messages/')) return 'messages';
  return saysVersion ? 'messages' : 'v1';
}

/**
 * Whether a body asks for its answer in pieces: by `stream`, or by the default of its API, which is true for
 * Ollama's generating calls and false for all others. A `stream` that is null counts as left out.
 */
export function asksForStream(path: string, body: Readonly<Record<string, unknown>>): boolean {
  if (path === '/api/chat' || path === '/api/generate') return body.stream !== false;
  return body.stream === true;
}
