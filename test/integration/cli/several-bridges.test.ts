import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BridgeStatus } from '../../../src/admin/bridge-status.js';
import type { Finding } from '../../../src/admin/doctor/finding.js';
import { runCli, startCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';

// What one command says of several bridges at once, by `--repo` more than once.

let home: PlainBridge;
let club: PlainBridge;
let env: Record<string, string>;

beforeAll(async () => {
  [home, club] = await Promise.all([startPlainBridge(), startPlainBridge()]);
  env = { ...home.env, XDG_CONFIG_HOME: join(home.dir, 'config') };
  const profiles = {
    home: { repo: home.repoPath, identity: '/keys/home' },
    club: { repo: club.repoPath, identity: '/keys/club' },
    away: { repo: join(home.dir, 'away.git') },
  };
  await mkdir(join(home.dir, 'config', 'llm-bridge'), { recursive: true });
  await writeFile(join(home.dir, 'config', 'llm-bridge', 'config.json'), JSON.stringify({ profiles }));
});

const named = (...names: string[]) => names.flatMap((name) => ['--repo', name]);

test('status shows each, in the order of their names, and one that cannot be read holds up no other', async () => {
  const both = await runCliHere(['status', ...named('home', 'club')], { env });
  expect(both).toMatchObject({ exitCode: 0, stderr: '' });
  expect(both.stdout.indexOf(home.repoPath)).toBeLessThan(both.stdout.indexOf(club.repoPath));

  const three = await runCliHere(['status', '--json', ...named('away', 'home', 'club')], { env });
  expect(three).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^error: away: .*\ntry: /) });
  const lines = three.stdout.trim().split('\n');
  const shown = lines.map((line) => (JSON.parse(line) as BridgeStatus).repo);
  expect(shown).toEqual([home.repoPath, club.repoPath]);
});

test('status --watch shows what changes on each, and one that cannot be read holds up no other', async () => {
  const repos = named('away', 'home', 'club');
  const [json, plain] = await Promise.all([
    startCli(['status', '--watch', '--json', ...repos], { env }),
    startCli(['status', '--watch', ...repos], { env }),
  ]);
  await json.waitFor('stderr', /^error: away: .*\ntry: /);
  for (const { repoPath } of [home, club]) {
    await json.waitFor('stdout', new RegExp(`"repo":"${repoPath}".*"pending":\\[\\]`));
    await plain.waitFor('stdout', new RegExp(`^${repoPath}\n(?!  …)`, 'm'));
  }
  await plain.waitFor('stdout', /^away\n(?! {2}…)/m);
  await runCliHere(['ask', '--no-wait', '1+1', '--repo', club.repoPath], { env });
  await json.waitFor('stdout', new RegExp(`"repo":"${club.repoPath}".*"pending":\\[\\{`));
  await plain.waitFor('stdout', /^ {2}1 pending, /m);
  for (const running of [json, plain]) {
    running.signal('SIGINT');
    expect(await running.exited).toMatchObject({ exitCode: 0 });
  }
  // Once, and not at every try.
  expect(json.stderr().match(/^error: /gm)).toHaveLength(1);
});

test('doctor checks each, and says of which a finding is', async () => {
  const { stdout } = await runCli(['doctor', '--json', ...named('home', 'away', 'club')], { env });
  const findings = JSON.parse(stdout) as (Finding & { readonly bridge: string })[];
  const of = (bridge: string) => findings.filter((one) => one.bridge === bridge);
  for (const name of ['home', 'club'])
    expect(of(name).find(({ check }) => check === 'hooks')).toMatchObject({ status: 'ok' });
  expect(of('away').some(({ status }) => status === 'broken')).toBe(true);
  const only = await runCli(['doctor', '--json', ...named('home')], { env });
  expect(JSON.parse(only.stdout)[0]).not.toHaveProperty('bridge');
});

test('a bridge that is named twice is wrong use', async () => {
  const twice = ['--repo', 'home', '--repo', home.repoPath];
  for (const command of ['status', 'doctor', 'serve'])
    expect(await runCliHere([command, ...twice], { env })).toMatchObject({ exitCode: 2 });
});

const installed = (...words: string[]) =>
  runCliHere(['service', 'install', ...words, '--print', '--platform', 'linux'], { env });

test('a service of several bridges looks the key of each up by its profile; of one it is told it', async () => {
  for (const role of ['agent', 'serve']) {
    const both = await installed(role, ...named('home', 'club'));
    expect(both).toMatchObject({ exitCode: 0, stderr: '' });
    expect(both.stdout).toMatch(
      new RegExp(`"${role}" "--repo" "home" "--repo" "club"|${role} --repo home --repo club`),
    );
    expect(both.stdout).not.toContain('--identity');
  }
  const one = await installed('agent', ...named('home'));
  expect(one.stdout).toContain(home.repoPath);
  expect(one.stdout).toContain('/keys/home');
  const addresses = await installed(
    'agent',
    '--repo',
    'u@one:home.git',
    '--repo',
    'u@two:club.git',
    '--identity',
    '/k',
  );
  expect(addresses.stdout).toMatch(/u@one:home\.git.*u@two:club\.git.*--identity.*\/k/);
});

test('what cannot be a service of several says so', async () => {
  for (const [words, said] of [
    [['wake', '--mac', 'a8:5e:45:01:02:03', ...named('home', 'club')], 'wake is for one bridge'],
    [['ingest', '--repo', home.repoPath, '--repo', club.repoPath], 'ingest is for one bridge'],
    [['agent', '--system', '--user', 'me', ...named('home', 'club')], 'name the bridges by their addresses'],
  ] as const)
    expect(await installed(...words)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(said) });
});
