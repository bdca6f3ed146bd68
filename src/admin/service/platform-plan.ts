import path from 'node:path';
import { launchdPlist } from './launchd-plist.js';
import type { DataFolder, ServicePlan, ServicePlatform, ServiceScope, ServiceSpec } from './service-spec.js';
import { systemdService, systemdTimer } from './systemd-unit.js';
import { taskXml } from './task-xml.js';

/** Where the files of services lie on this machine. */
export interface ServicePaths {
  readonly home: string;
  /** `XDG_CONFIG_HOME`, where it is set. */
  readonly configHome?: string | undefined;
  /** `LOCALAPPDATA` on Windows, where it is set. */
  readonly localAppData?: string | undefined;
  readonly uid: number;
}

/** Where the variables of a service stand. */
export function envFileOf(
  platform: ServicePlatform,
  scope: ServiceScope,
  name: string,
  paths: ServicePaths,
): string {
  if (platform === 'win32') return path.win32.join(windowsFolder(paths), `${name}.env`);
  const folder = scope === 'system' ? '/etc/llm-bridge' : path.posix.join(configFolder(paths), 'llm-bridge');
  return path.posix.join(folder, `${name}.env`);
}

/** A folder with the files of services. */
export interface ServiceFolder {
  readonly scope: ServiceScope;
  readonly path: string;
}

/**
 * Where the files of services lie, those of this user and those of the machine, and how such files end. On
 * Windows both have one folder.
 */
export function serviceFolders(
  platform: ServicePlatform,
  paths: ServicePaths,
): { readonly folders: readonly ServiceFolder[]; readonly ending: string } {
  const both = (folderOf: (scope: ServiceScope, paths: ServicePaths) => string) =>
    (['user', 'system'] as const).map((scope) => ({ scope, path: folderOf(scope, paths) }));
  if (platform === 'linux') return { folders: both(systemdFolder), ending: '.service' };
  if (platform === 'darwin') return { folders: both(launchdFolder), ending: '.plist' };
  return { folders: [{ scope: 'user', path: windowsFolder(paths) }], ending: '.xml' };
}

/** What there is to write and to run for a service, in the words of one system's service manager. */
export function planForPlatform(
  platform: ServicePlatform,
  spec: ServiceSpec,
  paths: ServicePaths,
): ServicePlan {
  return { linux: planSystemd, darwin: planLaunchd, win32: planTask }[platform](spec, paths);
}

/** Where there is no polkit, as on a bare Debian, only root may say so of a user. */
const LINGER =
  'to run it without being logged in: loginctl enable-linger; where that is denied: sudo loginctl enable-linger "$USER"';

function planSystemd(spec: ServiceSpec, paths: ServicePaths): ServicePlan {
  const isSystem = spec.scope === 'system';
  const folder = systemdFolder(spec.scope, paths);
  const systemctl = ['systemctl', ...(isSystem ? [] : ['--user'])] as const;
  const isTimed = spec.role === 'ingest';
  const unit = `${spec.name}.service`;
  const main = isTimed ? `${spec.name}.timer` : unit;
  const file = (name: string, text: string) => ({
    path: path.posix.join(folder, name),
    text,
    encoding: 'utf8' as const,
  });
  return {
    probe: [...systemctl, 'show-environment'],
    files: [
      file(unit, systemdService(spec)),
      ...(isTimed ? [file(`${spec.name}.timer`, systemdTimer(spec))] : []),
    ],
    // Enabled first, so that it comes back with the machine even where it cannot be started now.
    install: [
      ...(spec.data === undefined ? [] : [asOwner(spec.data)]),
      [...systemctl, 'daemon-reload'],
      [...systemctl, 'enable', main],
      // A timer does not say how what it starts ends, so that is started now. A long log is not waited for.
      ...(isTimed ? [[...systemctl, 'start', '--no-block', unit] as const] : []),
      [...systemctl, 'restart', main],
    ],
    uninstall: [
      [...systemctl, 'disable', '--now', main],
      [...systemctl, 'daemon-reload'],
      // One that had failed would stay among the failed ones, without its files.
      [...systemctl, 'reset-failed', unit],
    ],
    status: systemdStatus(spec.scope, ...(isTimed ? [main, unit] : [unit])),
    hint: isSystem ? null : LINGER,
  };
}

/** Its user makes the folder, so that none of those around it belongs to root. */
function asOwner({ path: folder, owner }: DataFolder): readonly [string, ...string[]] {
  return ['runuser', '-u', owner, '--', 'mkdir', '-p', '-m', '700', folder];
}

/** The command that prints the state of units: a line for each property, an empty line between two units. */
export function systemdStatus(
  scope: ServiceScope,
  ...units: readonly string[]
): readonly [string, ...string[]] {
  const user = scope === 'user' ? ['--user'] : [];
  const name = units.length > 1 ? 'Id,' : '';
  const properties = `${name}LoadState,ActiveState,SubState,UnitFileState,NRestarts`;
  return ['systemctl', ...user, 'show', `--property=${properties}`, ...units];
}

function planLaunchd(spec: ServiceSpec, paths: ServicePaths): ServicePlan {
  const isSystem = spec.scope === 'system';
  const library = libraryFolder(spec.scope, paths);
  const plist = path.posix.join(launchdFolder(spec.scope, paths), `${spec.name}.plist`);
  const log = path.posix.join(library, 'Logs', `${spec.name}.log`);
  const domain = isSystem ? 'system' : `gui/${paths.uid}`;
  return {
    probe: ['launchctl', 'print', domain],
    files: [{ path: plist, text: launchdPlist(spec, log), encoding: 'utf8' }],
    install: [['launchctl', 'bootstrap', domain, plist]],
    uninstall: [['launchctl', 'bootout', `${domain}/${spec.name}`]],
    status: ['launchctl', 'print', `${domain}/${spec.name}`],
    hint: `what it says stands in ${log}`,
  };
}

function planTask(spec: ServiceSpec, paths: ServicePaths): ServicePlan {
  const file = path.win32.join(windowsFolder(paths), `${spec.name}.xml`);
  const task = `llm-bridge\\${spec.name}`;
  return {
    probe: null,
    files: [{ path: file, text: `\ufeff${taskXml(spec)}`, encoding: 'utf16le' }],
    install: [
      ['schtasks', '/Create', '/F', '/TN', task, '/XML', file],
      ['schtasks', '/Run', '/TN', task],
    ],
    uninstall: [
      ['schtasks', '/End', '/TN', task],
      ['schtasks', '/Delete', '/F', '/TN', task],
    ],
    status: ['schtasks', '/Query', '/TN', task, '/FO', 'LIST'],
    hint: 'it runs while you are logged in',
  };
}

function systemdFolder(scope: ServiceScope, paths: ServicePaths): string {
  return scope === 'system' ? '/etc/systemd/system' : path.posix.join(configFolder(paths), 'systemd', 'user');
}

function launchdFolder(scope: ServiceScope, paths: ServicePaths): string {
  return path.posix.join(libraryFolder(scope, paths), scope === 'system' ? 'LaunchDaemons' : 'LaunchAgents');
}

function libraryFolder(scope: ServiceScope, paths: ServicePaths): string {
  return scope === 'system' ? '/Library' : path.posix.join(paths.home, 'Library');
}

function configFolder({ home, configHome }: ServicePaths): string {
  return configHome !== undefined && path.posix.isAbsolute(configHome)
    ? configHome
    : path.posix.join(home, '.config');
}

function windowsFolder({ home, localAppData }: ServicePaths): string {
  return path.win32.join(localAppData ?? path.win32.join(home, 'AppData', 'Local'), 'llm-bridge');
}
