import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Service } from '../../../../src/admin/service/plan-service.js';
import { planForPlatform } from '../../../../src/admin/service/platform-plan.js';
import { SERVICE_PLATFORMS, type ServiceSpec } from '../../../../src/admin/service/service-spec.js';
import { firstGone, requireProgram, startedProgram } from '../../../../src/admin/service/started-program.js';
import { tempDir } from '../../../support/temp-dir.js';

const PATHS = { home: '/home/me', uid: 1000 };

function specOf(node: string, entry: string): ServiceSpec {
  return {
    ...{ role: 'agent', name: 'llm-bridge-agent', scope: 'user', repo: 'ssh://b@s/b.git' },
    ...{ command: [node, entry, 'agent', '--repo', 'ssh://b@s/b.git', '--identity', '/gone/key'] },
    ...{ path: null, envFile: '/etc/with space/a.env', writes: [], usesTmp: false, user: null },
  };
}

test.each(SERVICE_PLATFORMS)(
  'what a service of %s starts is read from its file as it was written',
  (platform) => {
    const odd =
      platform === 'win32' ? String.raw`C:\My 100% & <b>\%h $HOME 'x'` : `/a b/%h 100% "q" $HOME \\n & <b>`;
    const [node, entry] =
      platform === 'win32' ? [`${odd}\\node.exe`, `${odd}\\main.js`] : [`${odd}/node`, `${odd}/m.js`];
    const [file] = planForPlatform(platform, specOf(node, entry), PATHS).files;
    expect(startedProgram(platform, file?.text ?? '')).toEqual([node, entry]);
    // Of what a person wrote instead nothing is known.
    expect(startedProgram(platform, '')).toEqual([]);
  },
);

test('a program that is gone is an error with its remedy, and one that is there, or hidden, is none', async () => {
  const dir = await tempDir();
  const [node, entry, unit] = [join(dir, 'v20', 'node'), join(dir, 'v20', 'main.js'), join(dir, 'a.service')];
  const spec = specOf(node, entry);
  const plan = planForPlatform('linux', spec, PATHS);
  const files = plan.files.map((file) => ({ ...file, path: unit }));
  const service: Service = { platform: 'linux', spec, plan: { ...plan, files } };
  await mkdir(join(dir, 'v20'));
  for (const file of [node, entry]) await writeFile(file, '');
  await writeFile(unit, files[0]?.text ?? '');

  await expect(requireProgram(service)).resolves.toBeUndefined();
  await rm(entry);
  await expect(requireProgram(service)).rejects.toMatchObject({
    code: 'no-program',
    message: `llm-bridge-agent starts ${entry}, which is gone: it does not come up again`,
    remedy: `llm-bridge service install agent again, with the options that stand in ${unit}`,
  });
  await rm(join(dir, 'v20'), { recursive: true });
  await expect(requireProgram(service)).rejects.toMatchObject({ message: expect.stringContaining(node) });
  // A folder of another user's says nothing; root sees into all of them.
  await mkdir(join(dir, 'v20'));
  await writeFile(node, '');
  await chmod(join(dir, 'v20'), 0o000);
  const isRoot = process.getuid?.() === 0;
  expect(await firstGone([node])).toBeNull();
  expect(await firstGone([entry])).toBe(isRoot ? entry : null);
  await chmod(join(dir, 'v20'), 0o700);
});
