import { BackendError } from '../backends/backend.js';
import { HttpFailure } from '../backends/transport.js';
import { failedOutcome, type GenerationOutcome } from '../compose-answer.js';
import { cleanJson } from './assemble/clean-json.js';

/** The status for a refusal that came with 200, as some of LM Studio do. */
const UNNAMED_REFUSAL = 400;

/**
 * The outcome of a call that the model server itself refused, with the body and the status of the refusal.
 * Null for any other failure: of the server, of the connection, or of the agent's key.
 */
export function refusalOf(error: unknown): Omit<GenerationOutcome, 'model' | 'backend'> | null {
  if (!(error instanceof BackendError) || error.kind !== 'final') return null;
  if (error.code === 'backend_unauthorized') return null;
  const failure = httpFailureIn(error);
  if (failure === null) return null;
  const status = failure.status === 200 ? UNNAMED_REFUSAL : failure.status;
  if (status < 400 || status >= 500) return null;
  const code = error.code === 'backend_error' ? 'backend_refused' : error.code;
  const { error: said } = failedOutcome(error, { model: null, backend: null });
  return {
    answer: null,
    error: { code, message: said?.message ?? code },
    response: { status, body: bodyOf(failure.body) },
  };
}

/** The server's own response, among the causes of an error. */
function httpFailureIn(error: BackendError): HttpFailure | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at instanceof HttpFailure) return at;
  return null;
}

/** The body as JSON that may stand in an answer; as text where it is no JSON. */
function bodyOf(text: string): unknown {
  try {
    return cleanJson(JSON.parse(text));
  } catch {
    return text;
  }
}
