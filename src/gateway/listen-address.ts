import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import os from 'node:os';

/** Where the gateway listens. */
export interface ListenAddress {
  /** An IP address; `localhost` is read as 127.0.0.1. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** The port beside Ollama's own, 11434. */
export const DEFAULT_LISTEN = '127.0.0.1:11435';

/**
 * Reads `127.0.0.1:11435`, `[::1]:11435`, `localhost:11435`, or a port alone, which is on 127.0.0.1. Null
 * where the text is none of them: a name could be another address tomorrow.
 */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = /^(?:(?:\[([0-9a-f:.]+)\]|([0-9.]+|localhost)):)?([0-9]{1,5})$/i.exec(text.trim());
  if (match === null) return null;
  const [, six, four = '127.0.0.1', digits] = match;
  const host = six ?? (four.toLowerCase() === 'localhost' ? '127.0.0.1' : four);
  const port = Number(digits);
  return isIP(host) === 0 || port > 65_535 ? null : { host, port };
}

/** Whether only programs of this machine can call there. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * The name of a gateway that listens there: the same after a restart, and another for a second gateway of
 * this machine. With port 0 it is new each time, as the port is.
 */
export function gatewayName({ host, port }: ListenAddress): string {
  const where = port === 0 ? randomBytes(6).toString('hex') : port;
  return `${os.hostname().slice(0, 64)}-${host}-${where}`.replace(/[^\w.-]/g, '-');
}
