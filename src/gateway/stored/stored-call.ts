/** A call for something that is kept beside its client, once the doors have let it in. */
export interface StoredCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The name of the token it came with; null where this machine calls without one. */
  readonly token: string | null;
  readonly request: Request;
}
