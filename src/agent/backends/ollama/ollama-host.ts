import { isIP } from 'node:net';

const DEFAULT_PORT = '11434';

/**
 * The address that `OLLAMA_HOST` means for a client, by Ollama's own rules for its forms: quotes and white
 * space around it do not count; without a scheme the port is 11434, with one it is that of the scheme; what
 * is no port number counts as the default port; without a host, or with one that means every address of a
 * machine (`0.0.0.0`, `::`), it is this machine. `ollama.com` alone is reached by https. Whether it is an
 * address at all is for `parseOllamaUrl` to say.
 */
export function readOllamaHost(text: string): string {
  const given = without(text.trim(), `"'`).trim();
  const colon = given.indexOf('://');
  const isCloud = given === 'ollama.com';
  const scheme = colon >= 0 ? given.slice(0, colon) : isCloud ? 'https' : 'http';
  const rest = colon >= 0 ? given.slice(colon + '://'.length) : given;
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  // With a password in it, Ollama would take what stands before the colon for the host. It stays, and
  // `parseOllamaUrl` refuses it.
  if (authority.includes('@')) return `${scheme}://${authority}`;
  const path = slash < 0 ? '' : rest.slice(slash);
  const usualPort = isCloud ? '443' : colon < 0 ? DEFAULT_PORT : (SCHEME_PORTS[scheme] ?? DEFAULT_PORT);
  const { host, port } = split(authority);
  const isPort = /^\d{1,5}$/.test(port) && Number(port) <= 65_535;
  return `${scheme}://${connectable(host)}:${isPort ? Number(port) : usualPort}${path}`;
}

const SCHEME_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

/** Host and port; an IPv6 address that has a port stands in brackets. */
function split(authority: string): { host: string; port: string } {
  const bare = without(authority, '[]');
  if (isIP(bare) === 6) return { host: bare, port: '' };
  const bracketed = /^\[([^\]]*)\]:(.*)$/.exec(authority);
  if (bracketed !== null) return { host: bracketed[1] ?? '', port: bracketed[2] ?? '' };
  const colon = authority.indexOf(':');
  if (colon < 0 || colon !== authority.lastIndexOf(':')) return { host: authority, port: '' };
  return { host: authority.slice(0, colon), port: authority.slice(colon + 1) };
}

/** The text without any of these characters at its ends. */
function without(text: string, chars: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && chars.includes(text[start] ?? '')) start += 1;
  while (end > start && chars.includes(text[end - 1] ?? '')) end -= 1;
  return text.slice(start, end);
}

function connectable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (isIP(host) !== 6) return host;
  return /^[0:]+$/.test(host) ? '[::1]' : `[${host}]`;
}
