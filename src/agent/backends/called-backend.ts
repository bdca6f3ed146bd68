import type { Backend } from './backend.js';
import type { BackendDescription } from './backend-description.js';
import type { Lookups } from './foresight.js';

/** What is known of a model server while it is called. */
export type CalledBackend = Omit<Backend, 'listModels' | 'generate' | 'call'> &
  Pick<BackendDescription, 'failures'> & { readonly lookups?: Lookups | undefined };

/** A model server of this description at an address. Throws BridgeError `usage` for one that is none. */
export function calledBackend(
  { name, parseUrl, failures, remedies }: BackendDescription,
  url: string,
  { hasToken = false, lookups }: { readonly hasToken?: boolean; readonly lookups: Lookups | undefined },
): CalledBackend {
  return {
    ...{ name, url: parseUrl(url), failures, lookups },
    noModelRemedy: remedies.noModel,
    unauthorizedRemedy: remedies.unauthorized(hasToken),
  };
}
