/**
 * What can run as a service: the agent, the waker of its PC, the gateway, the watcher of a file, and the
 * upkeep of the log every few minutes.
 */
export const SERVICE_ROLES = ['agent', 'wake', 'serve', 'watch', 'ingest'] as const;
export type ServiceRole = (typeof SERVICE_ROLES)[number];

/** For one person, started when they log in, or for the machine, started with it. */
export type ServiceScope = 'user' | 'system';

/** The systems whose service managers are known; named as Node names them. */
export const SERVICE_PLATFORMS = ['linux', 'darwin', 'win32'] as const;
export type ServicePlatform = (typeof SERVICE_PLATFORMS)[number];

/** A folder in the home of a user, who makes it where it is not there. */
export interface DataFolder {
  readonly path: string;
  /** The user's name. */
  readonly owner: string;
}

/** One service, before it is put into the words of a service manager. */
export interface ServiceSpec {
  readonly role: ServiceRole;
  /** `llm-bridge-agent`, or `llm-bridge-agent-<instance>`: the name of the unit, the label, the task. */
  readonly name: string;
  readonly scope: ServiceScope;
  readonly repo: string;
  /** The program and all its words; absolute paths. */
  readonly command: readonly [string, ...string[]];
  /**
   * PATH: where git and ssh are found, which a service manager may not know. Null on Windows, where it does.
   */
  readonly path: string | null;
  /** Variables, secrets among them; readable by one user alone. */
  readonly envFile: string;
  /** Where it has to write, besides its state folder. */
  readonly writes: readonly string[];
  /** A folder in the home of its user that it writes to as well; absent where there is none. */
  readonly data?: DataFolder | undefined;
  /** Whether it has to see the machine's own `/tmp`. */
  readonly usesTmp: boolean;
  /** Who it runs as, in the scope `system`. */
  readonly user: string | null;
}

/** How often the log is caught up: every push does it as well, so this is for what a crash left. Seconds. */
export const INGEST_EVERY_S = 600;

/** What a person reads of a service in a list. */
export function describeService({ role, repo }: Pick<ServiceSpec, 'role' | 'repo'>): string {
  const what = {
    agent: 'answers for',
    wake: 'wakes a PC for',
    serve: 'is the gateway of',
    watch: 'watches a file for',
    ingest: 'catches up the log of',
  };
  return `llm-bridge: ${what[role]} ${repo}`;
}

/** A file that belongs to a service. */
export interface ServiceFile {
  readonly path: string;
  readonly text: string;
  readonly encoding: 'utf8' | 'utf16le';
}

/** How a service is made and removed: its files, and the commands that follow, each as words. */
export interface ServicePlan {
  /**
   * A command that fails where the service manager does not answer here: there is none for this user, or
   * none at all. Null where only a try can tell.
   */
  readonly probe: readonly [string, ...string[]] | null;
  readonly files: readonly ServiceFile[];
  readonly install: readonly (readonly [string, ...string[]])[];
  readonly uninstall: readonly (readonly [string, ...string[]])[];
  readonly status: readonly [string, ...string[]];
  /** What else a person may want to do; null where there is nothing. */
  readonly hint: string | null;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** A text as it stands in XML, between tags or in an attribute. */
export function xmlText(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ENTITIES[char] ?? char);
}

/** The same in a comment, in which two hyphens may not follow each other. */
export function xmlComment(text: string): string {
  return xmlText(text).replaceAll('--', '-&#45;');
}
