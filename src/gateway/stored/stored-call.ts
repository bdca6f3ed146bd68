/** A call for a response, a file or a batch that is kept here, once the guards have let it in. */
export interface StoredCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The name of the token it came with; null where this machine calls without one. */
  readonly token: string | null;
  readonly request: Request;
}
