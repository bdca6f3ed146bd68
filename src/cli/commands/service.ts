import { planService, type Service } from '../../admin/service/plan-service.js';
import { readService, uninstallService } from '../../admin/service/run-service.js';
import type { RepoWord } from '../../admin/service/service-request.js';
import { requireRunning } from '../../admin/service/service-state.js';
import { requireProgram } from '../../admin/service/started-program.js';
import { shellQuote } from '../../process/shell-quote.js';
import { type Command, type CommandIo, defineCommand, defineGroup } from '../command.js';
import { profileNamed } from '../fill-from-profile.js';
import { POSITIONALS } from '../options.js';
import { EXIT, type ExitCode } from '../print-error.js';
import { installHere, thisMachine } from '../service-here.js';
import { roleSettings, SERVICE_OPTIONS, serviceSettings } from '../service-options.js';

type Action = 'install' | 'uninstall' | 'status';

/** `llm-bridge service install|uninstall|status <agent|wake|serve|watch|ingest> --repo R` */
export const serviceCommand = defineGroup({
  options: [],
  examples: [
    ['$0 service install agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'on the PC'],
    ['$0 service install agent --repo home --repo club', 'one agent for two bridges'],
    ['$0 service status agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'is it up?'],
  ],
  commands: [
    {
      usage: 'install <role> [file]',
      describe: 'Install a service and start it',
      command: actionCommand('install', install),
    },
    {
      usage: 'uninstall <role> [file]',
      describe: 'Stop a service and remove it',
      command: actionCommand('uninstall', uninstall),
    },
    {
      usage: 'status <role> [file]',
      describe: 'Say how a service is',
      command: actionCommand('status', status),
    },
  ],
});

/**
 * The three take the same options, so that the same line works with another word. Those of the role are
 * shown only by the help of `install`.
 */
function actionCommand(action: Action, act: (service: Service, io: CommandIo) => Promise<ExitCode>): Command {
  return defineCommand({
    positionals: [POSITIONALS.role, POSITIONALS.servedFile],
    options: SERVICE_OPTIONS,
    moreOptions: roleSettings().map((one) => ({ ...one, isHidden: action !== 'install' })),
    examples: [
      [
        `$0 service ${action} agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git`,
        'the agent, for you, on the PC',
      ],
      [`$0 service ${action} ingest --system --repo /srv/llm-bridge/bridge.git`, 'on the server, as root'],
    ],
    epilog:
      action === 'install'
        ? 'What stands behind "--" goes to the command as it is: … -- --model llama3.2 --parallel 2. Secrets go into the file for variables, which it names.'
        : '',
    async run(args, io, given) {
      const { bridges, identity } = bridgesIn(args.repo, given, io.env);
      const [first] = bridges;
      const service = await planService(
        {
          role: args.role,
          repo: first?.repo ?? '',
          repos: bridges,
          file: args.file,
          settings: serviceSettings(args.role, { ...given, ...identity }),
          words: args.words,
          instance: args.instance,
          isForMachine: args.system,
          user: args.user,
          platform: args.platform,
          isPrintOnly: args.print,
          isInstall: action === 'install',
        },
        thisMachine(io.env),
      );
      return args.print ? print(service, action, io) : act(service, io);
    },
  });
}

/**
 * The bridges that are named, and the key of the profile where there is only one bridge. A service of
 * several looks their profiles up itself, because each may have a key of its own. Throws BridgeError
 * `no-such-profile`, `bad-profiles`.
 */
function bridgesIn(
  repos: readonly string[],
  given: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): { readonly bridges: readonly RepoWord[]; readonly identity: { readonly identity?: string } } {
  const profiles = repos.map((repo) => profileNamed(repo, { env, cwd: process.cwd() }));
  const [only, ...others] = profiles;
  if (others.length === 0) {
    const key = given.identity === undefined ? only?.identity : undefined;
    return {
      bridges: [{ repo: only?.repo ?? repos[0] ?? '', profile: null }],
      identity: key === undefined ? {} : { identity: key },
    };
  }
  const bridges = repos.map((word, at) => {
    const profile = profiles[at] ?? null;
    return { repo: profile?.repo ?? word, profile: profile === null ? null : word };
  });
  return { bridges, identity: {} };
}

async function install(service: Service, io: CommandIo): Promise<ExitCode> {
  await installHere(service, io);
  return EXIT.done;
}

async function uninstall({ spec, plan }: Service, { out, env }: CommandIo): Promise<ExitCode> {
  const { changed } = await uninstallService(plan, env);
  const lines = [
    ...changed.map((file) => `removed ${file}`),
    changed.length === 0
      ? `${spec.name} is not installed`
      : `${spec.name} is uninstalled; its variables stay in ${spec.envFile}`,
  ];
  await out.print(lines.join('\n'));
  return EXIT.done;
}

async function status(service: Service, { out, env }: CommandIo): Promise<ExitCode> {
  const { spec, plan } = service;
  const text = await readService(spec, plan, env);
  await out.print(text === null ? `${spec.name} is not installed` : `${spec.name}\n${text}`);
  if (text === null) return EXIT.failed;
  await requireProgram(service);
  requireRunning(spec, text);
  return EXIT.done;
}

/** Prints what an action would write and run. */
async function print({ spec, plan }: Service, action: Action, { out }: CommandIo): Promise<ExitCode> {
  const commands = action === 'status' ? [plan.status] : plan[action];
  const lines = commands.map((words) => words.map(shellQuote).join(' '));
  if (action === 'install') {
    const files = plan.files.flatMap(({ path, text }) => [
      `# ${path}`,
      text.replace(/^\ufeff/, '').trimEnd(),
      '',
    ]);
    lines.unshift(...files, `# variables, mode 0600: ${spec.envFile}`);
  }
  if (action === 'uninstall')
    lines.push(...plan.files.map(({ path }) => `# remove ${path}; ${spec.envFile} stays`));
  await out.print(lines.join('\n'));
  return EXIT.done;
}
