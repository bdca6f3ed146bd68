import { realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import * as z from 'zod';
import {
  SERVICE_PLATFORMS,
  SERVICE_ROLES,
  type ServicePlan,
  type ServicePlatform,
  type ServiceSpec,
} from '../../admin/service/service-spec.js';
import { parseAddress } from '../../bridge/address.js';
import { shellQuote } from '../../process/shell-quote.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { principalNameSchema } from '../../protocol/names.js';
import { REPO_OPTION, readOptions, repoSchema } from '../options.js';
import { EXIT, type ExitState } from '../print-error.js';

const argsSchema = z.object({
  _: z.array(z.string()),
  role: z.enum(SERVICE_ROLES),
  file: z.string().optional(),
  repo: repoSchema,
  identity: z.string().min(1).optional(),
  instance: principalNameSchema.optional(),
  system: z.boolean().default(false),
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'is no name of a user')
    .optional(),
  print: z.boolean().default(false),
  platform: z.enum(SERVICE_PLATFORMS).optional(),
});
type Args = z.infer<typeof argsSchema>;

/** `llm-bridge service install|uninstall|status <agent|watch|ingest> --repo R` */
export function serviceCommand(exit: ExitState): CommandModule {
  return {
    command: 'service',
    describe: 'Run the agent, a watcher or the upkeep of the log as a service of the system',
    builder: (y) =>
      y
        .command(actionCommand('install', 'Install a service and start it', install))
        .command(actionCommand('uninstall', 'Stop a service and remove it', uninstall))
        .command(
          actionCommand('status', 'Say how a service is', (args, service) => status(args, service, exit)),
        )
        .demandCommand(1, 'service needs one of: install, uninstall, status')
        .example('$0 service install agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'on the PC')
        .example('$0 service status agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'is it up?'),
    handler: () => {},
  };
}

interface Service {
  readonly platform: ServicePlatform;
  readonly spec: ServiceSpec;
  readonly plan: ServicePlan;
}

function actionCommand(
  action: 'install' | 'uninstall' | 'status',
  describe: string,
  act: (args: Args, service: Service) => Promise<void>,
): CommandModule {
  return {
    command: `${action} <role> [file]`,
    describe,
    builder: (y) => options(y, action),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, `service ${action}`, ['role', 'file']);
      const service = await planOf(args);
      if (args.print) print(service, action);
      else await act(args, service);
    },
  };
}

function options(y: Argv, action: string): Argv {
  return y
    .positional('role', {
      choices: SERVICE_ROLES,
      demandOption: true,
      describe: 'agent answers, watch makes tasks of a file, ingest catches up the log every ten minutes',
    })
    .positional('file', { type: 'string', describe: 'For watch: the task.txt or task.json' })
    .option('repo', REPO_OPTION)
    .option('identity', {
      type: 'string',
      requiresArg: true,
      describe: 'For agent: the private SSH key to use',
    })
    .option('instance', {
      type: 'string',
      requiresArg: true,
      describe: 'A name, where this machine has several services of one kind',
    })
    .option('system', {
      type: 'boolean',
      describe: 'For the machine, and not for you: starts with it; needs root',
    })
    .option('user', {
      type: 'string',
      requiresArg: true,
      describe: 'With --system: who it runs as. Default: the owner of the bridge, or who called sudo',
    })
    .option('print', { type: 'boolean', describe: 'Print the files and the commands, and do nothing' })
    .option('platform', {
      choices: SERVICE_PLATFORMS,
      describe: 'With --print: for which system. Default: this one',
    })
    .example(
      `$0 service ${action} agent --repo ssh://bridge@server/srv/llm-bridge/bridge.git`,
      'the agent, for you, on the PC',
    )
    .example(
      `$0 service ${action} ingest --system --repo /srv/llm-bridge/bridge.git`,
      'on the server, as root',
    )
    .epilog(
      action === 'install'
        ? 'What stands behind "--" goes to the command as it is: … -- --model llama3.2 --parallel 2. Secrets go into the file for variables, which it names.'
        : '',
    );
}

async function install(_args: Args, { spec, plan }: Service): Promise<void> {
  const { installService } = await import('../../admin/service/run-service.js');
  const { changed, madeEnvFile } = await installService(spec, plan, process.env);
  say([
    ...changed.map((file) => `wrote ${file}`),
    `${madeEnvFile ? 'made' : 'kept'} ${spec.envFile}, for variables such as LLM_BRIDGE_MODEL`,
    `${spec.name} is installed and started${plan.hint === null ? '' : `; ${plan.hint}`}`,
  ]);
}

async function uninstall(_args: Args, { spec, plan }: Service): Promise<void> {
  const { uninstallService } = await import('../../admin/service/run-service.js');
  const { changed } = await uninstallService(plan, process.env);
  if (changed.length === 0) return say([`${spec.name} is not installed`]);
  say([
    ...changed.map((file) => `removed ${file}`),
    `${spec.name} is uninstalled; its variables stay in ${spec.envFile}`,
  ]);
}

async function status(_args: Args, { spec, plan }: Service, exit: ExitState): Promise<void> {
  const { readService } = await import('../../admin/service/run-service.js');
  const text = await readService(plan, process.env);
  say([text === null ? `${spec.name} is not installed` : `${spec.name}\n${text}`]);
  if (text === null) exit.code = EXIT.failed;
}

function print({ spec, plan }: Service, action: 'install' | 'uninstall' | 'status'): void {
  if (action === 'install') {
    for (const file of plan.files) say([`# ${file.path}`, file.text.replace(/^\ufeff/, '').trimEnd(), '']);
    say([`# variables, mode 0600: ${spec.envFile}`]);
  }
  const commands = action === 'status' ? [plan.status] : plan[action];
  say(commands.map((words) => words.map(shellQuote).join(' ')));
  if (action === 'uninstall') say(plan.files.map((file) => `# remove ${file.path}; ${spec.envFile} stays`));
}

function say(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function planOf(args: Args): Promise<Service> {
  const [{ envFileOf, planService }, { toolPath }] = await Promise.all([
    import('../../admin/service/plan-service.js'),
    import('../../admin/tool-path.js'),
  ]);
  const platform = platformOf(args);
  const scope = args.system ? 'system' : 'user';
  const name = `llm-bridge-${args.role}${args.instance === undefined ? '' : `-${args.instance}`}`;
  const paths = {
    home: os.homedir(),
    configHome: process.env.XDG_CONFIG_HOME,
    localAppData: process.env.LOCALAPPDATA,
    uid: process.getuid?.() ?? 0,
  };
  const address = parseAddress(args.repo);
  const isLocal = address.kind === 'local';
  if (args.role !== 'agent' && !isLocal)
    throw usage(
      `${args.role} runs on the server, and needs the path of the bridge there`,
      '--repo /srv/llm-bridge/bridge.git',
    );
  if ((args.role === 'watch') !== (args.file !== undefined))
    throw usage(
      args.role === 'watch' ? 'watch needs a file' : `${args.role} takes no file`,
      'llm-bridge service install watch task.txt --repo PATH',
    );
  const file = args.file === undefined ? null : path.resolve(args.file);
  const words = [
    args.role,
    ...(file === null ? [] : [file]),
    ...['--repo', address.url],
    ...(args.identity === undefined ? [] : ['--identity', path.resolve(args.identity)]),
    // Where systemd makes the state folder, and gives it to the user.
    ...(args.role === 'agent' && scope === 'system' && platform === 'linux'
      ? ['--state-dir', `/var/lib/${name}`]
      : []),
    ...args._.slice(2),
  ];
  const spec: ServiceSpec = {
    role: args.role,
    name,
    scope,
    repo: address.url,
    command: [process.execPath, realpathSync(process.argv[1] ?? ''), ...words],
    path: platform === 'win32' ? null : await toolPath(process.env),
    envFile: envFileOf(platform, scope, name, paths),
    writes: isLocal ? await foldersOf(address.url) : [],
    usesTmp: [address.url, file ?? ''].some((one) => /^\/(?:var\/)?tmp\//.test(one)),
    user: scope === 'system' ? await userOf(args, isLocal ? address.url : null) : null,
  };
  return { platform, spec, plan: planService(platform, spec, paths) };
}

function platformOf({ platform, print }: Args): ServicePlatform {
  if (platform !== undefined && !print && platform !== process.platform)
    throw usage('--platform is for --print', 'add --print');
  const known = SERVICE_PLATFORMS.find((one) => one === (platform ?? process.platform));
  if (known !== undefined) return known;
  throw usage(
    `${process.platform} has no service manager that llm-bridge knows`,
    '--print --platform linux shows what there would be',
  );
}

/** Where a service of a bridge on this machine writes: there, and where its log was moved. */
async function foldersOf(bridge: string): Promise<string[]> {
  const { readBridgeSettings } = await import('../../bridge/bridge-settings.js');
  const { answersLog } = await readBridgeSettings({ gitDir: bridge, env: process.env });
  const folder = path.dirname(answersLog);
  return folder.startsWith(`${bridge}/`) ? [bridge] : [bridge, folder];
}

/** Files of a bridge have one owner, and an agent that runs as root would be a waste of caution. */
async function userOf({ user, print }: Args, bridge: string | null): Promise<string> {
  if (user !== undefined) return user;
  const stats = bridge === null ? null : await stat(bridge).catch(() => null);
  if (stats !== null) return String(stats.uid);
  const caller = process.env.SUDO_USER ?? (print ? os.userInfo().username : undefined);
  if (caller !== undefined) return caller;
  throw usage('a service of the machine needs a user to run as', '--user NAME');
}

function usage(message: string, remedy: string): BridgeError {
  return new BridgeError(message, { code: 'usage', remedy });
}
