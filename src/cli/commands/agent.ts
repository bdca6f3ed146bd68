import { pickBackendUrls, pickTokenFiles } from '../../agent/backends/given-backends.js';
import { type CreateAgentOptions, createAgent } from '../../agent/create-agent.js';
import { giveBackMemory } from '../../process/give-back-memory.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { openAgentView } from '../agent-view.js';
import { defineCommand } from '../command.js';
import { jsonLog, plainLog } from '../log-lines.js';
import { accessesOf } from '../options/bridge-options.js';
import { AGENT_OPTIONS } from '../options.js';
import { EXIT } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** `llm-bridge agent --repo R` */
export const agentCommand = defineCommand({
  options: AGENT_OPTIONS,
  examples: [
    [
      '$0 agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git --identity ~/.ssh/llm-bridge',
      'on the PC, until Ctrl-C',
    ],
    ['$0 agent --repo home --repo club', 'for two bridges, by the names that join gave them'],
  ],
  async run(args, { env }) {
    const signal = stopSignal();
    const isPlain = args.logFormat === 'plain';
    const view = isPlain ? openAgentView() : null;
    try {
      const agent = createAgent({
        repo: accessesOf(args, env),
        env,
        once: args.once,
        afterMs: args.after,
        name: args.name,
        backends: args.backend,
        model: args.model,
        allowCloud: args.allowCloud,
        maxContext: args.maxContext,
        passFields: args.passField,
        ...pickBackendUrls(args),
        ...pickTokenFiles(args),
        parallel: args.parallel,
        pollMs: args.poll * 1000,
        stateDir: args.stateDir,
        idleTimeoutMs: inMs(args.idleTimeout),
        totalTimeoutMs: inMs(args.totalTimeout),
        retryWindowMs: inMs(args.retryWindow),
        log: view?.log ?? (isPlain ? plainLog : jsonLog),
        onText: view?.onText,
        onRest: giveBackMemory,
        idle: idleOf(args),
      });
      await agent.run(signal);
    } finally {
      view?.close();
    }
    return EXIT.done;
  },
});

/** Both options, or neither. Throws BridgeError `usage` for one alone. */
function idleOf(args: {
  readonly idleAfter: number | undefined;
  readonly idleCommand: string | undefined;
}): CreateAgentOptions['idle'] {
  const { idleAfter: afterMs, idleCommand: command } = args;
  if (afterMs !== undefined && command !== undefined) return { afterMs, command };
  if (afterMs === undefined && command === undefined) return undefined;
  throw new BridgeError('--idle-after and --idle-command go together', {
    code: 'usage',
    remedy: "say both: --idle-after 10m --idle-command 'systemctl suspend'",
  });
}

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
