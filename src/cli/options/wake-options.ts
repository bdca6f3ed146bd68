import * as z from 'zod';
import { parseMac, WAKE_BROADCAST, WAKE_PORT } from '../../admin/wake/magic-packet.js';
import { numberValue, option } from '../option.js';
import { BRIDGE_ROWS, SSH_OPTIONS } from './bridge-options.js';

/** Rows of OPTIONS: how a PC is woken. */
export const WAKE_ROWS = {
  mac: option('mac', {
    kind: 'text',
    value: z.string().refine((text) => parseMac(text) !== null, 'must be like a8:5e:45:01:02:03'),
    repeatable: true,
    describe: 'The network card of the PC, for the magic packet (Wake-on-LAN)',
  }),
  broadcast: option('broadcast', {
    kind: 'text',
    value: z.ipv4({ error: 'must be an IPv4 address, like 192.168.1.255' }),
    default: WAKE_BROADCAST,
    describe: 'Where the packet is sent: the broadcast address of the network with the PC',
  }),
  wakePort: option('port', {
    kind: 'number',
    value: numberValue.int().min(1).max(65_535),
    default: WAKE_PORT,
    describe: 'The UDP port of the packet',
  }),
  wakeCommand: option('command', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'A line for the shell that wakes the PC, instead of the packet or after it',
  }),
} as const;

/**
 * The options of `wake`, by themselves: it waits on small machines, and the whole table is half a megabyte.
 */
export const WAKE_OPTIONS = [
  BRIDGE_ROWS.repo,
  WAKE_ROWS.mac,
  WAKE_ROWS.broadcast,
  WAKE_ROWS.wakePort,
  WAKE_ROWS.wakeCommand,
  BRIDGE_ROWS.logFormat,
  ...SSH_OPTIONS,
] as const;
