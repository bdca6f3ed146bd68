import path from 'node:path';
import { namesIn } from '../../process/durable-file.js';
import { type ServicePaths, serviceFolders } from '../service/platform-plan.js';
import { SERVICE_PLATFORMS, SERVICE_ROLES, type ServicePlatform } from '../service/service-spec.js';
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
  readonly file: string;
}

/** The services of llm-bridge that are installed here, for this user and for the machine. */
export function installedServices(here: ServicesHere): readonly InstalledService[] {
  const platform = platformOf(here);
  if (platform === null) return [];
  const { folders, ending } = serviceFolders(platform, here);
  return folders.flatMap((folder) =>
    namesIn(folder)
      .sort()
      .flatMap((base) => {
        const role = SERVICE_ROLES.find((one) =>
          ['-', '.'].some((mark) => base.startsWith(`llm-bridge-${one}${mark}`)),
        );
        if (role === undefined || !base.endsWith(ending)) return [];
        return [{ name: base.slice(0, -ending.length), role, file: path.join(folder, base) }];
      }),
  );
}

/**
 * Checks that what the services here start is still there. An update of Node by a version manager takes the
 * old one away, and llm-bridge with it; a service manager tells nobody before the next start.
 */
export async function checkServices(here: ServicesHere): Promise<Verdict[]> {
  const platform = platformOf(here);
  if (platform === null) return [];
  const services = installedServices(here);
  const faults = await Promise.all(services.map((one) => programFault(platform, one, one.file)));
  const verdicts = faults.flatMap((fault) => (fault === null ? [] : [broken(fault.message, fault.remedy)]));
  if (verdicts.length > 0) return verdicts;
  return [ok(`what starts is there: ${services.map(({ name }) => name).join(', ')}`)];
}

function platformOf({ platform }: ServicesHere): ServicePlatform | null {
  return SERVICE_PLATFORMS.find((one) => one === platform) ?? null;
}
