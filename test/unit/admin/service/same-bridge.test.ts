import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { planForPlatform } from '../../../../src/admin/service/platform-plan.js';
import { installService } from '../../../../src/admin/service/run-service.js';
import {
  SERVICE_PLATFORMS,
  type ServicePlan,
  type ServicePlatform,
  type ServiceSpec,
} from '../../../../src/admin/service/service-spec.js';
import { tempDir } from '../../../support/temp-dir.js';

const REPO = 'ssh://bridge@server/srv/llm--bridge/a & 100%/bridge.git';

function specOf(dir: string, repo: string, words: readonly string[] = ['--repo', repo]): ServiceSpec {
  return {
    ...{ role: 'agent', name: 'llm-bridge-agent', scope: 'user', repo },
    ...{ command: [process.execPath, '/opt/main.js', 'agent', ...words], path: '/usr/bin' },
    ...{ envFile: path.join(dir, 'variables.env'), writes: [], usesTmp: false, user: null },
  };
}

/** The plan of a platform, in a folder here and with a manager that takes everything. */
function planOf(platform: ServicePlatform, dir: string, spec: ServiceSpec): ServicePlan {
  const plan = planForPlatform(platform, spec, { home: '/home/me', uid: 1 });
  const here = (file: string) => path.join(dir, 'services', file.split(/[\\/]/).at(-1) ?? '');
  const files = plan.files.map((file) => ({ ...file, path: here(file.path) }));
  return { ...plan, files, probe: null, install: [], status: [process.execPath] };
}

async function install(platform: ServicePlatform, dir: string, spec: ServiceSpec): Promise<string> {
  const plan = planOf(platform, dir, spec);
  await installService(spec, plan, process.env);
  return plan.files[0]?.path ?? '';
}

describe.each(SERVICE_PLATFORMS)('on %s', (platform) => {
  test.each([
    ['another one', REPO, 'ssh://bridge@other/srv/bridge.git', []],
    ['one whose path ends with that of this one', '/mnt/srv/b.git', '/srv/b.git', []],
    ['several, of which this one is the last', REPO, '/srv/b.git', ['--repo', REPO, '--repo', '/srv/b.git']],
  ])('a service for %s is not replaced', async (_what, first, second, words) => {
    const dir = await tempDir();
    const file = await install(platform, dir, specOf(dir, first, words.length > 0 ? words : undefined));
    const before = await readFile(file);

    await expect(install(platform, dir, specOf(dir, second))).rejects.toMatchObject({
      ...{ code: 'service-exists', message: expect.stringContaining(file) },
      remedy: expect.stringContaining('--instance NAME'),
    });
    expect(await readFile(file)).toEqual(before);
  });

  test('that of the same bridge is written again, by its address or by its profile', async () => {
    const dir = await tempDir();
    const file = await install(platform, dir, specOf(dir, REPO));
    await install(platform, dir, specOf(dir, REPO, ['--repo', 'home', '--parallel', '2']));
    await install(platform, dir, specOf(dir, REPO, ['--repo', REPO, '--parallel', '3']));

    expect((await readFile(file, platform === 'win32' ? 'utf16le' : 'utf8')).replace(/\s+/g, ' ')).toMatch(
      /--parallel\W+(?:string>\W+<string>)?3\b/,
    );
  });
});

test.each([
  [REPO, ['--repo', REPO], 'taken'],
  [REPO, ['--repo', 'home'], 'taken'],
  ['/srv/b.git', ['--repo', '/srv/b.git'], 'refused'],
])(
  'a file of an earlier version for launchd is known by its words: %s %s is %s',
  async (repo, words, what) => {
    const dir = await tempDir();
    const older = specOf(dir, REPO, words[1] === 'home' ? ['--repo', 'home'] : ['--repo', REPO]);
    const [file] = planOf('darwin', dir, older).files;
    await mkdir(path.join(dir, 'services'));
    await writeFile(file?.path ?? '', (file?.text ?? '').replace(/<!-- .* -->\n/, ''));

    const done = await install('darwin', dir, specOf(dir, repo, words)).then(
      () => 'taken',
      ({ code }) => (code === 'service-exists' ? 'refused' : code),
    );
    expect(done).toBe(what);
  },
);
