import * as z from 'zod';
import { hostName } from '../../gateway/guards/request-guard.js';
import { DEFAULT_LISTEN, type ListenAddress, parseListenAddress } from '../../gateway/listen-address.js';
import { numberValue, option } from '../option.js';

/** How long a call waits: below the five minutes at which Node's fetch gives up. Seconds. */
const DEFAULT_WAIT_S = 240;

/** Clients that retry by themselves come back within seconds, people within a minute. Seconds. */
const DEFAULT_LINGER_S = 60;

/** Rows of OPTIONS: the gateway. */
export const GATEWAY_ROWS = {
  listen: option('listen', {
    kind: 'text',
    default: DEFAULT_LISTEN,
    value: z.string().transform((text, context): ListenAddress => {
      const address = parseListenAddress(text);
      if (address !== null) return address;
      context.addIssue('must be an IP address and a port: 127.0.0.1:11435, [::1]:11435');
      return z.NEVER;
    }),
    describe: 'Where to listen; for other machines only with tokens',
  }),
  waitFor: option('wait', {
    kind: 'seconds',
    default: DEFAULT_WAIT_S,
    value: numberValue.positive().max(86_400),
    describe: 'Seconds a call waits for its answer, before it ends with 503 or an error event',
    // LLM_BRIDGE_WAIT is the switch of ask.
    variable: false,
  }),
  linger: option('linger', {
    kind: 'seconds',
    default: DEFAULT_LINGER_S,
    value: numberValue.min(0).max(86_400),
    describe: 'Seconds a task lives on after its last client has left; then it is cancelled',
  }),
  alias: option('alias', {
    kind: 'text',
    repeatable: true,
    value: z.string().transform((text, context): readonly [name: string, model: string] => {
      const [, name, model] = /^([^=\s]{1,200})=([^=\s]{1,200})$/.exec(text) ?? [];
      if (name !== undefined && model !== undefined) return [name, model];
      context.addIssue('must be NAME=MODEL: gpt-4o=llama3.2');
      return z.NEVER;
    }),
    describe: 'Another name for a model: gpt-4o=llama3.2',
  }),
  allowHost: option('allow-host', {
    kind: 'text',
    repeatable: true,
    value: z
      .string()
      .transform((name) => hostName(name) ?? '')
      .refine((name) => name !== '', 'must be the name of a host, without a port'),
    describe: 'A name by which clients may call this, besides localhost and addresses',
  }),
  corsOrigin: option('cors-origin', {
    kind: 'text',
    repeatable: true,
    value: z
      .string()
      .regex(
        /^(?:\*|[a-z][a-z0-9+.-]*:\/\/[a-z0-9.:[\]_-]+)$/,
        'must be an origin (https://chat.example.org) or *',
      ),
    describe: 'The origin of a web page that may call this; * for any',
  }),
} as const;
