import { stat } from 'node:fs/promises';
import path from 'node:path';
import { type BridgeAddress, parseAddress } from '../../bridge/address.js';
import { readBridgeSettings } from '../../bridge/bridge-settings.js';
import { otherOwner } from '../../bridge/local-bridge.js';
import { usageError } from '../../protocol/bridge-error.js';
import { toolPath } from '../tool-path.js';
import { gatewayData } from './gateway-data.js';
import { envFileOf, planForPlatform } from './platform-plan.js';
import { type ServiceRequest, wordsOf } from './service-request.js';
import {
  SERVICE_PLATFORMS,
  type ServicePlan,
  type ServicePlatform,
  type ServiceSpec,
} from './service-spec.js';

/** The machine that the service is planned on, and the program that it runs. */
export interface ServiceMachine {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  readonly uid: number;
  /** The login name of whoever runs this. Throws for a user who is not in the system's list. */
  readonly userName: () => string;
  /** Node and the entry of llm-bridge; absolute paths. */
  readonly program: readonly [node: string, entry: string];
}

/** A service: what it is, and how it is made on its platform. */
export interface Service {
  readonly platform: ServicePlatform;
  readonly spec: ServiceSpec;
  readonly plan: ServicePlan;
}

/** Plans a service and changes nothing. Throws BridgeError `usage` for what does not go together. */
export async function planService(request: ServiceRequest, machine: ServiceMachine): Promise<Service> {
  const platform = platformOf(request, machine);
  const { role, isForMachine } = request;
  const scope = isForMachine ? 'system' : 'user';
  const name = `llm-bridge-${role}${request.instance === undefined ? '' : `-${request.instance}`}`;
  const repos = request.repos ?? [{ repo: request.repo, profile: null }];
  const address = publicAddress(request.repo);
  const addresses = repos.map(({ repo }) => publicAddress(repo));
  const bridge = address.kind === 'local' ? address.url : null;
  const bridges = addresses.flatMap(({ kind, url }) => (kind === 'local' ? [url] : []));
  refuseMismatch(request, bridge);
  if (platform === 'linux') refuseUnkeptKey(request);
  const file = request.file === undefined ? null : path.resolve(request.file);
  const stateDir = stateDirOf(request, platform, name);
  const paths = {
    home: machine.home,
    configHome: machine.env.XDG_CONFIG_HOME,
    localAppData: machine.env.LOCALAPPDATA,
    uid: machine.uid,
  };
  const user = isForMachine ? await userOf(request, bridge, machine) : null;
  const spec: ServiceSpec = {
    role,
    name,
    scope,
    repo: address.url,
    command: [
      ...machine.program,
      role,
      ...(file === null ? [] : [file]),
      ...repos.flatMap(({ profile }, at) => ['--repo', profile ?? addresses[at]?.url ?? '']),
      ...request.settings.flatMap(wordsOf),
      ...(stateDir.isMadeBySystemd ? ['--state-dir', stateDir.path] : []),
      ...request.words,
    ],
    path: platform === 'win32' ? null : await toolPath(machine.env),
    envFile: envFileOf(platform, scope, name, paths),
    writes: [
      ...(await Promise.all(bridges.map((one) => foldersOf(one, machine.env)))).flat(),
      ...(isForMachine && stateDir.isGiven ? [stateDir.path] : []),
    ],
    usesTmp: [...bridges, file ?? ''].some((one) => /^\/(?:var\/)?tmp\//.test(one)),
    ...(role === 'serve' && platform === 'linux' && user !== null
      ? { data: await gatewayData(addresses, user, machine.env) }
      : {}),
    user,
  };
  return { platform, spec, plan: planForPlatform(platform, spec, paths) };
}

/** An address that others may read. Throws BridgeError `usage` for one with a password. */
function publicAddress(repo: string): BridgeAddress {
  const address = parseAddress(repo);
  if (address.kind === 'other' && address.credentials !== undefined)
    throw usageError(
      'the password in --repo is a secret, and others can read the command line of a service',
      `git config --global credential.helper store, fetch once by git, and --repo ${address.url}`,
    );
  return address;
}

/**
 * Where the agent keeps its state. systemd makes the folder for a service of the machine, and gives it to
 * the user.
 */
function stateDirOf(request: ServiceRequest, platform: ServicePlatform, name: string) {
  const given = request.settings.find((one) => one.name === 'state-dir')?.value;
  const isMadeBySystemd =
    given === undefined && request.role === 'agent' && request.isForMachine && platform === 'linux';
  return typeof given === 'string'
    ? { path: path.resolve(given), isGiven: true, isMadeBySystemd }
    : { path: `/var/lib/${name}`, isGiven: false, isMadeBySystemd };
}

function refuseMismatch({ role, file, repos, isForMachine }: ServiceRequest, bridge: string | null): void {
  if (role !== 'agent' && role !== 'wake' && role !== 'serve' && bridge === null)
    throw usageError(
      `${role} runs on the server, and needs the path of the bridge there`,
      '--repo /srv/llm-bridge/bridge.git',
    );
  const isOfSeveral = (repos ?? []).length > 1;
  if (isOfSeveral && role !== 'agent' && role !== 'serve')
    throw usageError(`${role} is for one bridge`, 'install one service for each, with --instance NAME');
  if (isOfSeveral && isForMachine && (repos ?? []).some(({ profile }) => profile !== null))
    throw usageError(
      'a service of the machine runs as another user, who has no profiles of yours',
      'name the bridges by their addresses',
    );
  if ((role === 'watch') !== (file !== undefined))
    throw usageError(
      role === 'watch' ? 'watch needs a file' : `${role} takes no file`,
      'llm-bridge service install watch task.txt --repo PATH',
    );
}

/** The sandbox lets ssh write no `known_hosts`: each key would be a new one, and be taken. */
function refuseUnkeptKey({ isForMachine, isInstall = true, settings, words }: ServiceRequest): void {
  const isAsked =
    settings.some(({ name, value }) => name === 'accept-new-host-key' && value === true) ||
    words.some((word) => /^--accept-new-host-key(?:=true)?$/.test(word));
  if (!isForMachine || !isInstall || !isAsked) return;
  throw usageError(
    'a service of the machine cannot keep the key of the server, and would take any at each connection',
    'as the user of the service, run "llm-bridge status --accept-new-host-key" once; then install it without',
  );
}

function platformOf({ platform, isPrintOnly }: ServiceRequest, machine: ServiceMachine): ServicePlatform {
  if (platform !== undefined && !isPrintOnly && platform !== machine.platform)
    throw usageError('--platform is for --print', 'add --print');
  const known = SERVICE_PLATFORMS.find((one) => one === (platform ?? machine.platform));
  if (known !== undefined) return known;
  throw usageError(
    `${machine.platform} has no service manager that llm-bridge knows`,
    '--print --platform linux shows what there would be',
  );
}

/** Where a service of a bridge on this machine writes: into the bridge, and where its log was moved to. */
async function foldersOf(bridge: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const { answersLog } = await readBridgeSettings({ gitDir: bridge, env }).catch(async (error: unknown) => {
    // git says of a folder that one may not enter that its config cannot be read.
    const isShut = await stat(path.join(bridge, 'HEAD')).then(() => false, isNoAccess);
    throw isShut ? otherOwner(bridge, error) : error;
  });
  const folder = path.dirname(answersLog);
  return folder.startsWith(`${bridge}/`) ? [bridge] : [bridge, folder];
}

function isNoAccess(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EACCES';
}

/** The owner of the bridge, because its files have one owner; else who called sudo: root is never needed. */
async function userOf(
  { user, isPrintOnly, isInstall = true }: ServiceRequest,
  bridge: string | null,
  machine: ServiceMachine,
): Promise<string> {
  if (user !== undefined) return user;
  const stats = bridge === null ? null : await stat(bridge).catch(() => null);
  if (stats !== null) return String(stats.uid);
  // Only what is installed needs one: a service is asked for, and removed, by its name.
  const anybody = isPrintOnly || !isInstall ? machine.userName() : undefined;
  const caller = machine.env.SUDO_USER ?? anybody;
  if (caller !== undefined) return caller;
  throw usageError('a service of the machine needs a user to run as', '--user NAME');
}
