import type { ServiceSetting } from '../admin/service/service-request.js';
import { SERVICE_ROLES, type ServiceRole } from '../admin/service/service-spec.js';
import { usageError } from '../protocol/bridge-error.js';
import { camelCase, helpOf, type Option, variableOf, worded } from './option.js';
import { WAKE_OPTIONS } from './options/wake-options.js';
import { AGENT_OPTIONS, INGEST_OPTIONS, OPTIONS, SERVE_OPTIONS, WATCH_OPTIONS } from './options.js';

/** The options of the commands that can be services. */
const ROLE_OPTIONS: Readonly<Record<ServiceRole, readonly Option[]>> = {
  agent: AGENT_OPTIONS,
  wake: WAKE_OPTIONS,
  serve: SERVE_OPTIONS,
  watch: WATCH_OPTIONS,
  ingest: INGEST_OPTIONS,
};

/** Options that are about a service itself. */
export const SERVICE_OPTIONS = [
  OPTIONS.repos,
  OPTIONS.instance,
  OPTIONS.machine,
  OPTIONS.user,
  OPTIONS.print,
  OPTIONS.platform,
] as const;

/** The options of a role besides those, without the ones that mean nothing to a service. */
function settingsOf(role: ServiceRole): readonly Option[] {
  return ROLE_OPTIONS[role].filter(
    (one) => !one.isForOneRun && SERVICE_OPTIONS.every(({ name }) => name !== one.name),
  );
}

/**
 * The options of all roles, each once, under the first role that takes it. A new row of a role is among them
 * by itself. Variables do not stand for them: a service has a file for those, and what a person has set for
 * another program must not get into a unit. The key is the exception, because it goes with the bridge, which
 * may come from a variable.
 */
export function roleSettings(): Option[] {
  const names = new Set(SERVICE_ROLES.flatMap((role) => settingsOf(role).map(({ name }) => name)));
  return [...names].map((name) => {
    const takers = SERVICE_ROLES.flatMap((role) => {
      const one = settingsOf(role).find((row) => row.name === name);
      return one === undefined ? [] : [{ role, one }];
    });
    const [first, ...more] = takers as [(typeof takers)[0], ...typeof takers];
    const help = [helpOf(first.one), ...more.map(({ role, one }) => `for ${role}: ${helpOf(one)}`)];
    return {
      ...worded(first.one, help.join('; '), `For ${first.role}:`),
      byDefault: null,
      hasVariable: name === OPTIONS.identity.name,
    };
  });
}

/**
 * The given values that the command of a role gets. Throws BridgeError `usage` for an option of another
 * role, and for a secret: others can read the command line of a service.
 */
export function serviceSettings(
  role: ServiceRole,
  given: Readonly<Record<string, unknown>>,
  settings: readonly Option[] = settingsOf(role),
): ServiceSetting[] {
  for (const { name, hasVariable } of roleSettings()) {
    const isTaken = settings.some((one) => one.name === name);
    if (isTaken || hasVariable || given[camelCase(name)] === undefined) continue;
    throw usageError(`--${name} is no option of ${role}`, `llm-bridge ${role} --help`);
  }
  return settings.flatMap((one) => {
    const value = given[camelCase(one.name)];
    if (value === undefined) return [];
    if (one.isSecret)
      throw usageError(
        `--${one.name} is a secret, and others can read the command line of a service`,
        `put ${variableOf(one.name)}=… into the file for variables that "llm-bridge service install ${role}" names`,
      );
    return [value].flat().map((each) => ({
      name: one.name,
      value: typeof each === 'boolean' ? each : String(each),
      isPath: one.kind === 'path',
    }));
  });
}
