import { runGateway } from '../../gateway/open-gateway.js';
import { defineCommand } from '../command.js';
import { namedAccessesOf } from '../options/bridge-options.js';
import { SERVE_OPTIONS } from '../options.js';
import { EXIT, printNote } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge serve --repo R` */
export const serveCommand = defineCommand({
  options: SERVE_OPTIONS,
  examples: [
    ['$0 serve --repo /srv/llm-bridge/bridge.git', 'then clients call http://127.0.0.1:11435/v1'],
    ['$0 serve --repo home --repo club', 'for two bridges, by the names that join gave them'],
    [
      '$0 serve --repo ssh://bridge@server/srv/llm-bridge/bridge.git --alias gpt-4o=llama3.2',
      'on any machine, with a key that may ask',
    ],
  ],
  async run(args, { env }) {
    await runGateway(
      {
        bridges: namedAccessesOf(args, env),
        listen: args.listen,
        waitMs: args.wait * 1000,
        lingerMs: args.linger * 1000,
        aliases: new Map(args.alias ?? []),
        localOnly: args.localOnly,
        allowedHosts: args.allowHost ?? [],
        corsOrigins: args.corsOrigin ?? [],
        name: args.name,
        say: (line) => printNote(`llm-bridge serve: ${line}`),
      },
      stopSignal(),
    );
    return EXIT.done;
  },
});
