import type { CommandModule } from 'yargs';
import * as z from 'zod';
import { principalNameSchema } from '../../protocol/names.js';
import {
  numberOption,
  REPO_OPTION,
  readOptions,
  repoSchema,
  SSH_OPTIONS,
  sshArgs,
  sshOptionsOf,
} from '../options.js';
import type { ExitState } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

const argsSchema = z.object({
  repo: repoSchema,
  ...sshArgs,
  once: z.boolean().default(false),
  name: principalNameSchema.optional(),
  backend: z
    .string()
    .default('auto')
    .transform((text) => (text === 'auto' ? 'ollama,lmstudio' : text).split(','))
    .pipe(
      z.array(
        z.enum(['ollama', 'lmstudio'], {
          error: 'must be auto, ollama, lmstudio, or an order: lmstudio,ollama',
        }),
      ),
    ),
  model: z.string().min(1).optional(),
  ollamaUrl: z.string().optional(),
  lmstudioUrl: z.string().optional(),
  parallel: numberOption.int().min(1).max(64).default(1),
  poll: numberOption.min(0.1).max(3600).default(2),
  stateDir: z.string().min(1).optional(),
  idleTimeout: numberOption.positive().optional(),
  totalTimeout: numberOption.positive().optional(),
  retryWindow: numberOption.min(0).optional(),
  logFormat: z.enum(['plain', 'json']).default('plain'),
});

/** `llm-bridge agent --repo R` */
export function agentCommand(_exit: ExitState): CommandModule {
  return {
    command: 'agent',
    describe: 'Answer what is asked, with the Ollama or LM Studio of this machine',
    builder: (y) =>
      y
        .option('repo', REPO_OPTION)
        .option('once', { type: 'boolean', describe: 'Answer what is pending, then exit' })
        .option('name', {
          type: 'string',
          requiresArg: true,
          describe: 'Who answers, where no key says it. Default: the host name',
        })
        .option('backend', {
          type: 'string',
          requiresArg: true,
          describe:
            'ollama, lmstudio, or the order to try them in: lmstudio,ollama. Default: auto, Ollama first',
        })
        .option('model', {
          type: 'string',
          requiresArg: true,
          describe: 'The model for tasks that name none. Default: the first that is installed',
        })
        .option('ollama-url', {
          type: 'string',
          requiresArg: true,
          describe: 'Where Ollama listens. Default: http://127.0.0.1:11434',
        })
        .option('lmstudio-url', {
          type: 'string',
          requiresArg: true,
          describe: 'Where LM Studio listens. Default: http://127.0.0.1:1234/v1',
        })
        .option('parallel', {
          type: 'number',
          requiresArg: true,
          describe: 'How many tasks at once. Default: 1',
        })
        .option('poll', {
          type: 'number',
          requiresArg: true,
          describe: 'Seconds between looks where the server has no doorbell. Default: 2, backing off',
        })
        .option('state-dir', {
          type: 'string',
          requiresArg: true,
          describe:
            'The folder for what this agent keeps. Default: one for each bridge, with the data of programs',
        })
        .option('idle-timeout', {
          type: 'number',
          requiresArg: true,
          describe: 'Seconds a model may say nothing. Default: 1200',
        })
        .option('total-timeout', {
          type: 'number',
          requiresArg: true,
          describe: 'Seconds one answer may take. Default: 21600',
        })
        .option('retry-window', {
          type: 'number',
          requiresArg: true,
          describe:
            'Seconds a model server may be away before the task is answered with an error. Default: 300',
        })
        .option('log-format', {
          type: 'string',
          requiresArg: true,
          choices: ['plain', 'json'],
          describe: 'json: a line of JSON for each thing that happens. Default: plain',
        })
        .options(SSH_OPTIONS)
        .example(
          '$0 agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git --identity ~/.ssh/llm-bridge',
          'on the PC, until Ctrl-C',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'agent');
      const [{ createAgent }, { openAgentView }, { plainLog }, { jsonLog }] = await Promise.all([
        import('../../agent/create-agent.js'),
        import('../agent-view.js'),
        import('../agent-view.js'),
        import('../agent-view.js'),
      ]);
      const signal = stopSignal();
      const isPlain = args.logFormat === 'plain';
      const view = isPlain ? openAgentView() : null;
      const seconds = (value: number | undefined) => (value === undefined ? undefined : value * 1000);
      try {
        const agent = createAgent({
          repo: args.repo,
          ssh: sshOptionsOf(args),
          once: args.once,
          name: args.name,
          backends: args.backend,
          model: args.model,
          ollamaUrl: args.ollamaUrl,
          lmstudioUrl: args.lmstudioUrl,
          parallel: args.parallel,
          pollMs: args.poll * 1000,
          stateDir: args.stateDir,
          idleTimeoutMs: seconds(args.idleTimeout),
          totalTimeoutMs: seconds(args.totalTimeout),
          retryWindowMs: seconds(args.retryWindow),
          log: view?.log ?? (isPlain ? plainLog : jsonLog),
          onText: view?.onText,
        });
        await agent.run(signal);
      } finally {
        view?.close();
      }
    },
  };
}
