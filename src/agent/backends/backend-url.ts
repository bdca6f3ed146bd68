import { hidePasswords } from '../../process/hide-passwords.js';
import { type BridgeError, usageError } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { excerpt } from '../../protocol/text.js';

/** How one kind of model server is addressed. */
export interface UrlRules {
  /** The option that gives the address, for messages. */
  readonly option: string;
  readonly example: string;
  /** Taken where the address has neither scheme nor port. */
  readonly port: string;
  /** Taken where the address has none. */
  readonly path: string;
}

/**
 * The base address of a model server, without a trailing slash. Throws BridgeError `usage` for what is none.
 */
export function parseBackendUrl(text: string, rules: UrlRules): string {
  const given = text.trim();
  // Looked for by hand: `new URL('localhost:11434')` takes `localhost:` for the scheme.
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(given);
  const url = URL.canParse(hasScheme ? given : `http://${given}`)
    ? new URL(hasScheme ? given : `http://${given}`)
    : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw usage(`${rules.option} is no HTTP address: ${excerpt(oneLine(hidePasswords(given)), 200)}`, rules);
  }
  // fetch refuses such addresses, and messages would print the password.
  if (url.username !== '' || url.password !== '') {
    throw usage(`${rules.option} must not contain a user name or password`, rules);
  }
  if (!hasScheme && url.port === '') url.port = rules.port;
  let end = url.pathname.length;
  while (url.pathname[end - 1] === '/') end -= 1;
  return `${url.origin}${end === 0 ? rules.path : url.pathname.slice(0, end)}`;
}

function usage(message: string, rules: UrlRules): BridgeError {
  return usageError(message, `give it like ${rules.example}`);
}
