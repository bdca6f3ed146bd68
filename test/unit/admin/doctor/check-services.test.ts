import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkServices, installedServices } from '../../../../src/admin/doctor/check-services.js';
import { planForPlatform } from '../../../../src/admin/service/platform-plan.js';
import {
  SERVICE_ROLES,
  type ServiceRole,
  type ServiceSpec,
} from '../../../../src/admin/service/service-spec.js';
import { tempDir } from '../../../support/temp-dir.js';

/** Installs the files of a service as each manager reads them, and returns the node that it starts. */
async function install(
  home: string,
  platform: 'linux' | 'darwin',
  { role, instance }: { readonly role: ServiceRole; readonly instance?: string },
): Promise<string> {
  const name = `llm-bridge-${role}${instance === undefined ? '' : `-${instance}`}`;
  const bin = join(home, `.nvm/versions/node/${name}/bin`);
  await mkdir(bin, { recursive: true });
  const command = [join(bin, 'node'), join(bin, 'llm-bridge.js'), role] as const;
  for (const file of command.slice(0, 2)) await writeFile(file, '');
  const spec: ServiceSpec = {
    ...{ role, name, scope: 'user', repo: 'ssh://b@s/b.git', command: [...command] },
    ...{ path: null, envFile: join(home, 'a.env'), writes: [], usesTmp: false, user: null },
  };
  for (const file of planForPlatform(platform, spec, { home, uid: 1000 }).files) {
    await mkdir(dirname(file.path), { recursive: true });
    await writeFile(file.path, file.text, file.encoding);
  }
  return command[0];
}

/** An environment in which there is no systemctl. */
const NO_SYSTEMD = { PATH: '/nowhere' };

test.each(['linux', 'darwin'] as const)(
  'services of %s whose node an update took away are named, each with its remedy',
  async (platform) => {
    const home = await tempDir();
    const here = { platform, home, uid: 1000 };
    const mine = () => installedServices(here).filter(({ file }) => file.startsWith(home));
    expect(mine()).toEqual([]);
    const nodes = new Map<ServiceRole, string>();
    for (const role of SERVICE_ROLES) nodes.set(role, await install(home, platform, { role }));
    await install(home, platform, { role: 'agent', instance: 'second' });
    await writeFile(join(dirname(mine()[0]?.file ?? ''), `other.${platform}`), '');

    expect(
      mine()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['agent-second', ...SERVICE_ROLES].map((one) => `llm-bridge-${one}`).sort());
    expect((await checkServices(here, NO_SYSTEMD)).map(({ status }) => status)).toEqual(['ok']);

    const gone = nodes.get('agent') ?? '';
    await rm(dirname(gone), { recursive: true });
    const file = mine().find(({ name }) => name === 'llm-bridge-agent')?.file;
    expect(await checkServices(here, NO_SYSTEMD)).toEqual([
      {
        status: 'broken',
        text: `llm-bridge-agent starts ${gone}, which is gone: it does not come up again`,
        remedy: `llm-bridge service install agent again, with the options that stand in ${file}`,
      },
    ]);
  },
);

// No systemd runs where the tests do (it would have to be process 1), so a stand-in says the states.
test
  .skipIf(process.platform !== 'linux')
  .each(['ActiveState=failed\nSubState=failed', 'ActiveState=activating\nSubState=auto-restart'])(
  'a service of systemd that has failed is named, with what shows why: %j',
  async (state) => {
    const home = await tempDir();
    const bin = join(home, 'bin');
    await mkdir(bin);
    await install(home, 'linux', { role: 'agent' });
    await install(home, 'linux', { role: 'ingest' });
    await writeFile(
      join(bin, 'systemctl'),
      `#!/bin/sh
case "$*" in
  '--user show '*' llm-bridge-agent.service') printf '%s\\n' '${state}' ;;
  *) echo ActiveState=inactive ;;
esac
`,
      { mode: 0o755 },
    );
    const env = { PATH: `${bin}:${process.env.PATH}` };

    expect(await checkServices({ platform: 'linux', home, uid: 1000 }, env)).toEqual([
      {
        status: 'broken',
        text: 'llm-bridge-agent does not run: it ended with a failure',
        remedy: 'read what it said: journalctl --user -u llm-bridge-agent -n 20 --no-pager',
      },
    ]);
  },
);

test('a system without a known service manager has no services', async () => {
  expect(installedServices({ platform: 'freebsd', home: '/', uid: 0 })).toEqual([]);
});
