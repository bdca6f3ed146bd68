import { runWake } from '../../admin/wake/run-wake.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { defineCommand } from '../command.js';
import { jsonLog, plainLog } from '../log-lines.js';
import { accessOf } from '../options/bridge-options.js';
import { WAKE_OPTIONS } from '../options/wake-options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge wake --mac a8:5e:45:01:02:03 --repo R` */
export const wakeCommand = defineCommand({
  options: WAKE_OPTIONS,
  examples: [
    [
      '$0 wake --mac a8:5e:45:01:02:03 --repo ssh://bridge@server/srv/llm-bridge/bridge.git',
      'on a Pi in the network of the PC, until Ctrl-C',
    ],
  ],
  async run(args, { env }) {
    const { mac = [], broadcast, port, command } = args;
    if (mac.length === 0 && command === undefined) {
      throw new BridgeError('it is not said how to wake the PC', {
        code: 'usage',
        remedy: 'name its network card, --mac a8:5e:45:01:02:03, or a command line that wakes it, --command',
      });
    }
    await runWake({
      access: accessOf(args, env),
      target: mac.length === 0 ? null : { macs: mac, broadcast, port },
      command: command ?? null,
      log: args.logFormat === 'plain' ? plainLog : jsonLog,
      signal: stopSignal(),
    });
    return EXIT.done;
  },
});
