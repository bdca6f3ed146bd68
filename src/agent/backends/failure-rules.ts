/**
 * What becomes of a task whose model server fails:
 * - `final`: the task is answered with the error. Asked again, the server would say the same.
 * - `busy`: the server began nothing. It is asked again, less and less often, for as long as a server may be
 *   away.
 * - `lost`: the generation broke. The server gets the task again from the beginning, a few times.
 * - `elsewhere`: the server is there, and lacks the model or the path of the call. Another one may have it.
 */
export type FailureKind = 'final' | 'busy' | 'lost' | 'elsewhere';

/** A way to fail. The rule fits where all that it names fits. */
export interface FailureRule {
  readonly kind: FailureKind;
  /** HTTP statuses. */
  readonly statuses?: readonly number[];
  /** What the server says, in the body of an error or in the middle of a stream. */
  readonly wording?: RegExp;
  /** The `code` of what Node says of a connection. */
  readonly wire?: RegExp;
  /** Only for a failure in the middle of a stream, after a status 200. */
  readonly inStream?: true;
  /** Where that was seen: a public issue, or a file and line of the server's own source. */
  readonly source: string;
}

/** A failure, as far as it is known. `status` null: it came in the middle of a stream. */
export type ToldFailure =
  | { readonly status: number | null; readonly text: string }
  | { readonly wire: string };

/** How much of what a server says is searched, in characters. The known wordings stand at the beginning. */
export const MAX_SEARCHED_CHARS = 8192;

/** The kind of a failure by the first rule that fits; `final` where none does. */
export function kindOfFailure(rules: readonly FailureRule[], failure: ToldFailure): FailureKind {
  return rules.find((rule) => fits(rule, failure))?.kind ?? 'final';
}

function fits(rule: FailureRule, failure: ToldFailure): boolean {
  if ('wire' in failure) return rule.wire?.test(failure.wire) ?? false;
  if (rule.wire !== undefined) return false;
  if (rule.inStream === true && failure.status !== null) return false;
  if (rule.statuses !== undefined && !rule.statuses.some((status) => status === failure.status)) return false;
  return rule.wording?.test(failure.text.slice(0, MAX_SEARCHED_CHARS)) ?? true;
}

/**
 * The failures that pass with any server. They stand at the end of each server's own list, whose rules go
 * first: the words of a server tell more than its status.
 */
export const COMMON_RULES: readonly FailureRule[] = [
  {
    kind: 'lost',
    wire: /^(?:ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|E(?:HOST|NET)(?:UNREACH|DOWN)|HPE_)/,
    source: 'a connection that was made, and broke: nodejs.org/api/errors.html, and its HTTP parser',
  },
  {
    kind: 'busy',
    statuses: [429],
    source: 'RFC 6585, section 4',
  },
  { kind: 'busy', statuses: [503], source: 'RFC 9110, section 15.6.4; ollama/ollama#7573' },
  {
    kind: 'busy',
    statuses: [502],
    source: 'RFC 9110, section 15.6.3: a proxy in front of a server that is just starting again',
  },
  {
    kind: 'lost',
    statuses: [408, 504],
    source: 'RFC 9110, sections 15.5.9 and 15.6.5: the server may have begun, so it is not asked for long',
  },
  {
    kind: 'lost',
    inStream: true,
    source: 'what is told behind a status 200 broke a generation that had begun: ollama/ollama#8689',
  },
];
