import path from 'node:path';
import type { ServicePlatform, ServiceRole } from './service-spec.js';

/** The service that a person asks for. */
export interface ServiceRequest {
  readonly role: ServiceRole;
  /** The bridge, as an address or a path; of several, the first. */
  readonly repo: string;
  /**
   * Where there are several bridges, each of them, with what is to stand behind its `--repo`. Default:
   * `repo` alone.
   */
  readonly repos?: readonly RepoWord[] | undefined;
  /** For `watch`: the file. */
  readonly file?: string | undefined;
  /** Options of the command that become words of its command line. */
  readonly settings: readonly ServiceSetting[];
  /** Words for the end of its command line, as they are. */
  readonly words: readonly string[];
  /** Tells services of one role apart. */
  readonly instance?: string | undefined;
  readonly isForMachine: boolean;
  /** Who it runs as, where it is for the machine. Default: the owner of the bridge, or who called sudo. */
  readonly user?: string | undefined;
  /** Default: the system this runs on. Another one can only be printed. */
  readonly platform?: ServicePlatform | undefined;
  readonly isPrintOnly: boolean;
  /** Whether it is to be installed, and not asked for or removed. Default: true. */
  readonly isInstall?: boolean | undefined;
}

/** A bridge among several of a service. */
export interface RepoWord {
  /** The name of a profile, which then stands behind `--repo`; null where the address does. */
  readonly profile: string | null;
  readonly repo: string;
}

/** One value of an option. `true` and `false` are a switch: `--name` and `--no-name`. */
export interface ServiceSetting {
  readonly name: string;
  readonly value: string | boolean;
  /** True for a path: the service does not run in this folder, so it becomes absolute. */
  readonly isPath: boolean;
}

/** The words of one option. A value that begins with a dash would be read as an option of its own. */
export function wordsOf({ name, value, isPath }: ServiceSetting): string[] {
  if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
  const text = isPath ? path.resolve(value) : value;
  return text.startsWith('-') ? [`--${name}=${text}`] : [`--${name}`, text];
}
