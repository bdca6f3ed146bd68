import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { hidePasswords } from '../process/hide-passwords.js';
import { BridgeError } from '../protocol/bridge-error.js';
import type { Credentials } from './credentials.js';

/** Where a bridge is: on this machine, behind ssh, or behind anything else git can fetch from. */
export type BridgeAddress =
  | { readonly kind: 'local'; readonly url: string }
  | {
      readonly kind: 'ssh';
      /** In git's form: `ssh://user@host:22/path` or `user@host:path`. */
      readonly url: string;
      /** `user@host`, or the host alone. */
      readonly destination: string;
      readonly port: string | null;
    }
  | {
      readonly kind: 'other';
      /** Without a password, because it is shown and names folders. */
      readonly url: string;
      readonly credentials?: Credentials;
    };

/** Reads `--repo`. Local paths become absolute. Throws BridgeError `usage` where it cannot be an address. */
export function parseAddress(text: string): BridgeAddress {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.startsWith('-')) throw badAddress(text);
  if (/^ssh:\/\//i.test(trimmed)) return parseSshUrl(trimmed);
  if (/^file:\/\//i.test(trimmed)) return parseFileUrl(trimmed);
  if (/^(https?|git):\/\//i.test(trimmed)) return parseOtherUrl(trimmed);
  // Some `transport::address` would run a program; git forbids it by default, and so do we.
  if (/^[a-z0-9+.-]+::/i.test(trimmed) || /^[a-z0-9+.-]+:\/\//i.test(trimmed)) throw badAddress(text);
  const scp = /^((?:[^@/:\\[\]]+@)?(?:\[[^\]]+\]|[^@/:\\[\]]+)):(.+)$/.exec(trimmed);
  // `C:\bridge.git` is a path. As in git, a slash before the colon makes it a path too.
  if (scp !== null && !/^[A-Za-z]:[\\/]/.test(trimmed)) {
    const where = scp[1] ?? '';
    // git accepts `[host:port]:path` as well; an address with more than one colon is IPv6.
    const [, user = '', host, port = null] = /^([^[]*)\[([^\]:]+):([0-9]+)\]$/.exec(where) ?? [];
    const destination = host === undefined ? where.replace(/[[\]]/g, '') : `${user}${host}`;
    requireHost(destination, text);
    return { kind: 'ssh', url: trimmed, destination, port };
  }
  return { kind: 'local', url: path.resolve(trimmed) };
}

/** Takes name and password out of an address. A name alone stays: git looks for its password by it. */
function parseOtherUrl(text: string): BridgeAddress {
  if (!/^[a-z]+:\/\/[^/?#]*@/i.test(text)) return { kind: 'other', url: text };
  let url: URL;
  let username: string;
  let password: string;
  try {
    url = new URL(text);
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw badAddress(text);
  }
  if (password === '') return { kind: 'other', url: text };
  // git's credential helper writes each on a line of its own.
  if (/[\0\r\n]/.test(username + password)) throw badAddress(text);
  url.username = '';
  url.password = '';
  const origin = `${url.protocol}//${url.host}`;
  return { kind: 'other', url: url.href, credentials: { origin, username, password } };
}

function parseFileUrl(text: string): BridgeAddress {
  try {
    return { kind: 'local', url: fileURLToPath(text) };
  } catch {
    // The URL has a host, or an invalid escape.
    throw badAddress(text);
  }
}

function parseSshUrl(text: string): BridgeAddress {
  let url: URL;
  let host: string;
  let user: string;
  try {
    url = new URL(text);
    host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
    user = decodeURIComponent(url.username);
  } catch {
    throw badAddress(text);
  }
  const destination = user === '' ? host : `${user}@${host}`;
  if (host === '' || url.pathname.length < 2 || url.password !== '') throw badAddress(text);
  requireHost(destination, text);
  return { kind: 'ssh', url: text, destination, port: url.port === '' ? null : url.port };
}

/** A destination that begins with a dash would be read by ssh as an option. */
function requireHost(destination: string, text: string): void {
  if (destination.startsWith('-') || destination.includes('@-') || /[\s;&|$`'"<>]/.test(destination))
    throw badAddress(text);
}

function badAddress(text: string): BridgeError {
  return new BridgeError(`${JSON.stringify(hidePasswords(text))} is not the address of a bridge`, {
    code: 'usage',
    remedy:
      '--repo ssh://bridge@server/srv/llm-bridge/bridge.git, or bridge@server:/srv/llm-bridge/bridge.git, or a local path',
  });
}
