import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import type { RequestPath } from '../protocol/request.js';
import type { ApiForm } from './api-form.js';
import type { CallTerms } from './asked-call.js';
import type { Aliases, BridgeModel } from './bridge-models.js';
import type { GuardSettings } from './guards/request-guard.js';
import type { TokenGuard } from './guards/token-guard.js';
import type { Metrics } from './metrics.js';
import type { PageActions, PageData } from './page-data.js';
import type { CallBody } from './read-body.js';
import type { StoredCall } from './stored/stored-call.js';

/** A call that goes into the bridge, once the guards have let it in. */
export interface GatewayCall extends CallTerms {
  readonly path: RequestPath;
  /** As it came, with an alias replaced by the model it stands for. */
  readonly body: CallBody;
  readonly form: ApiForm;
  /** Aborts when the client has left. */
  readonly left: AbortSignal;
}

/** What the app is made of. */
export interface GatewayParts {
  /** Has a call answered. Throws ApiError where it ends before its first byte. */
  readonly answer: (call: GatewayCall) => Promise<Response>;
  /** Answers a call for a response, a file or a batch that is kept here; absent where nothing is. */
  readonly stored?: ((call: StoredCall) => Promise<Response>) | undefined;
  /** The models of the bridge, aliases among them. Throws where the bridge cannot be read. */
  readonly models: () => Promise<readonly BridgeModel[]>;
  readonly aliases: Aliases;
  /** Whether no third party may read any call; else only those that say so. */
  readonly localOnly?: boolean | undefined;
  readonly guards: GuardSettings & TokenGuard;
  /** The most bytes of a body: what a task may have. */
  readonly maxBodyBytes: () => number | Promise<number>;
  /** The most calls that are in here at once, waiting or being answered. */
  readonly maxCalls: number;
  /**
   * The most bytes that the bodies of all these have together; a body takes several times as much memory.
   */
  readonly maxHeldBytes: number;
  /** What the page at `/` is made of; absent where there is none. */
  readonly page?: { readonly data: PageData; readonly actions: PageActions } | undefined;
  /**
   * `reason`: why no bridge can be written; null where one can. `notReady`: where there are several, the
   * names of those that cannot be written, and why.
   */
  readonly health: () => Promise<{
    readonly reason: string | null;
    readonly notReady: Readonly<Record<string, string>>;
  }>;
  readonly metrics: Pick<Metrics, 'scrape'>;
  /** Our version, for `/api/version`. */
  readonly version: string;
  /** Is told of failures that are not the client's. They never hold a header or a body of a call. */
  readonly onProblem: (error: unknown) => void;
}

/** What the routes find in the context of a call. */
export interface GatewayEnv {
  /** The call as node's server has it; absent where there is no server, in tests. */
  readonly Bindings: Partial<HttpBindings>;
  readonly Variables: {
    /** The API that the call is meant for: its errors have that form. */
    readonly form: ApiForm;
    /** The name of the token that it came with; null where none is needed. Not set in the open routes. */
    readonly token: string | null;
  };
}

/** The gateway as a web application. */
export type GatewayApp = Hono<GatewayEnv>;

/**
 * Adds routes that belong together. Whatever a handler throws is answered in the form of the API that was
 * called: ApiError as it says, all else as a failure of ours.
 */
export type RouteGroup = (app: GatewayApp, parts: GatewayParts) => void;
