import type { RequestPath } from '../../protocol/request.js';
import type { TokenSource } from './backend-token.js';
import type { FailureRule } from './failure-rules.js';

/**
 * What the rest of the program has to know of a model server without asking it. The list of all is in
 * `backends.ts`; what speaks to the server is a `Backend` (`backend.ts`).
 */
export interface BackendDescription {
  /** Its name in messages and on the command line. `backendNameSchema` of src/protocol takes it. */
  readonly name: string;
  /** Its name as people write it. */
  readonly title: string;
  /** The option that says where it listens, without the dashes. */
  readonly urlOption: string;
  /** The environment variable that stands for this option. */
  readonly urlVariable: string;
  /** The name of this option as a property: of `createAgent`, and of what the command line gives. */
  readonly urlKey: string;
  /** Where it listens unless told otherwise; null: it is only used where an address is given. */
  readonly defaultUrl: string | null;
  /** The variable by which its own programs know where it listens, and how they read it; null: none. */
  readonly ownUrl: { readonly variable: string; read(text: string): string } | null;
  /** How a token for it is given; null where it knows none. */
  readonly token: TokenSource | null;
  /** Reads an address, as a person types it, into a base address. Throws BridgeError `usage`. */
  parseUrl(text: string): string;
  /**
   * Throws BridgeError `usage` for an address at which a third party would read what is asked, unless
   * `allowCloud`. Null: any address may be used, and only models are looked at.
   */
  readonly refuseUrl: ((url: string, allowCloud: boolean) => void) | null;
  /** Whether `answered` is the model that was asked for, as this server spells names. */
  sameModel(asked: string, answered: string): boolean;
  /** Whether it may answer from another model than the one that was asked, where that one is not loaded. */
  readonly answersFromOthers: boolean;
  /** Whether a task's `num_ctx` reaches it. If not, the context is fixed where the model is loaded. */
  readonly takesContextSize: boolean;
  /** The calls that it may be passed. A version that lacks one says so, and another backend is asked. */
  readonly paths: readonly RequestPath[];
  /** How it fails: which failures pass, and which are final. The first rule that fits counts. */
  readonly failures: readonly FailureRule[];
  readonly remedies: BackendRemedies;
}

/** What a person can do: each is the whole of a `try:`, or a part of one. */
export interface BackendRemedies {
  /** The server does not run. */
  readonly start: string;
  /** No model is there. */
  readonly noModel: string;
  /** It refused us, with the token that was given or without one. */
  unauthorized(hasToken: boolean): string;
  /** This model is not there: a command, quoted for a shell. */
  install(model: string): string;
  /** Asks the model without the bridge: a command, quoted for a shell. */
  askDirectly(model: string | null): string;
}
