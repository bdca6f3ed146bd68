import { followStatus } from '../../admin/follow-status.js';
import { defineCommand } from '../command.js';
import { formatStatus } from '../format-status.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge status --repo R` */
export const statusCommand = defineCommand({
  options: [OPTIONS.repo, OPTIONS.json, OPTIONS.watch, ...SSH_OPTIONS],
  examples: [
    ['$0 status --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner'],
    ['$0 status --watch --repo /srv/llm-bridge/bridge.git', 'to keep an eye on it'],
    ['$0 status --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'from elsewhere, with a key'],
  ],
  async run(args, { out, env }) {
    const states = followStatus(accessOf(args, env), args.watch ? stopSignal() : null);
    for await (const status of states) {
      if (args.json) await out.json(status);
      else await (args.watch ? out.redraw(formatStatus(status)) : out.print(formatStatus(status)));
    }
    return EXIT.done;
  },
});
