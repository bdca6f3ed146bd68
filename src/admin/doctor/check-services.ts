import path from 'node:path';
import { namesIn } from '../../process/durable-file.js';
import { runProgram } from '../../process/run-program.js';
import { type ServicePaths, serviceFolders, systemdStatus } from '../service/platform-plan.js';
import {
  SERVICE_PLATFORMS,
  SERVICE_ROLES,
  type ServicePlatform,
  type ServiceScope,
} from '../service/service-spec.js';
import { failureIn } from '../service/service-state.js';
import { programFault } from '../service/started-program.js';
import { broken, ok, type Verdict } from './finding.js';

/** The machine whose services are looked at. */
export interface ServicesHere extends ServicePaths {
  readonly platform: NodeJS.Platform;
}

/** A service that is installed here, of whichever bridge. */
interface InstalledService {
  readonly name: string;
  readonly role: string;
  readonly scope: ServiceScope;
  readonly file: string;
}

/** The services of llm-bridge that are installed here, for this user and for the machine. */
export function installedServices(here: ServicesHere): readonly InstalledService[] {
  const platform = platformOf(here);
  if (platform === null) return [];
  const { folders, ending } = serviceFolders(platform, here);
  return folders.flatMap(({ scope, path: folder }) =>
    namesIn(folder)
      .sort()
      .flatMap((base) => {
        const role = SERVICE_ROLES.find((one) =>
          ['-', '.'].some((mark) => base.startsWith(`llm-bridge-${one}${mark}`)),
        );
        if (role === undefined || !base.endsWith(ending)) return [];
        return [{ name: base.slice(0, -ending.length), role, scope, file: path.join(folder, base) }];
      }),
  );
}

/** The state of a service is a few lines from the same machine. Milliseconds. */
const STATE_TIMEOUT_MS = 10_000;

/**
 * Checks that what the services here start is still there, and that none of them has failed. An update of
 * Node by a version manager takes the old one away, and llm-bridge with it; a service manager tells nobody
 * before the next start. Only systemd says in a few words that a service has failed.
 */
export async function checkServices(here: ServicesHere, env: NodeJS.ProcessEnv): Promise<Verdict[]> {
  const platform = platformOf(here);
  if (platform === null) return [];
  const services = installedServices(here);
  const faults = await Promise.all(
    services.map(
      async (one) =>
        (await programFault(platform, one, one.file)) ??
        (platform === 'linux' ? await systemdFailure(one, env) : null),
    ),
  );
  const verdicts = faults.flatMap((fault) => (fault === null ? [] : [broken(fault.message, fault.remedy)]));
  if (verdicts.length > 0) return verdicts;
  return [ok(`what starts is there: ${services.map(({ name }) => name).join(', ')}`)];
}

/** Null also where systemd cannot be asked: a user who came by su has no session with it. */
async function systemdFailure(
  service: InstalledService,
  env: NodeJS.ProcessEnv,
): Promise<ReturnType<typeof failureIn>> {
  const ask = systemdStatus(service.scope, `${service.name}.service`);
  const said = await runProgram(ask, { env, timeoutMs: STATE_TIMEOUT_MS }).catch(() => null);
  return failureIn(service, said?.stdout.toString('utf8') ?? '');
}

function platformOf({ platform }: ServicesHere): ServicePlatform | null {
  return SERVICE_PLATFORMS.find((one) => one === platform) ?? null;
}
