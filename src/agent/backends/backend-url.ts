import { BridgeError } from '../../protocol/bridge-error.js';
import { excerpt, oneLine } from '../../protocol/printable.js';

/** Where Ollama listens unless told otherwise. Not `localhost`, which may be `::1`, where it does not. */
export const DEFAULT_OLLAMA_URL = 'http://127.0.0.1:11434';

/** Where LM Studio's server listens unless told otherwise, with the path of its OpenAI-compatible API. */
export const DEFAULT_LMSTUDIO_URL = 'http://127.0.0.1:1234/v1';

/**
 * The address of an Ollama server, without a trailing slash. Takes `http://host:port`, `host:port` and `host`, with 11434
 * where neither scheme nor port is given. Throws BridgeError `usage` for anything else.
 */
export function parseOllamaUrl(text: string): string {
  return parseBackendUrl(text, {
    option: '--ollama-url',
    example: DEFAULT_OLLAMA_URL,
    port: '11434',
    path: '',
  });
}

/**
 * The address of LM Studio's API, without a trailing slash. As `parseOllamaUrl`, with port 1234; an address without a path
 * gets `/v1`, for LM Studio answers any other path with 200 and an error text. Throws BridgeError `usage`.
 */
export function parseLmstudioUrl(text: string): string {
  return parseBackendUrl(text, {
    option: '--lmstudio-url',
    example: DEFAULT_LMSTUDIO_URL,
    port: '1234',
    path: '/v1',
  });
}

interface UrlRules {
  readonly option: string;
  readonly example: string;
  readonly port: string;
  readonly path: string;
}

function parseBackendUrl(text: string, rules: UrlRules): string {
  const given = text.trim();
  // Looked for by hand: `new URL('localhost:11434')` takes `localhost:` for the scheme.
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(given);
  const url = URL.canParse(hasScheme ? given : `http://${given}`)
    ? new URL(hasScheme ? given : `http://${given}`)
    : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw usage(`${rules.option} is no HTTP address: ${excerpt(oneLine(given), 200)}`, rules);
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
  return new BridgeError(message, { code: 'usage', remedy: `give it like ${rules.example}` });
}
