import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { launchdPlist } from '../../../../src/admin/service/launchd-plist.js';
import type { ServiceSpec } from '../../../../src/admin/service/service-spec.js';
import { systemdService, systemdTimer } from '../../../../src/admin/service/systemd-unit.js';
import { taskXml } from '../../../../src/admin/service/task-xml.js';
import { cleanEnv } from '../../../support/clean-env.js';
import { runCli } from '../../../support/cli.js';
import { runCliHere } from '../../../support/cli-here.js';
import { startPlainBridge } from '../../../support/plain-bridge.js';
import { type RunResult, runProcess } from '../../../support/run-process.js';
import { tempDir } from '../../../support/temp-dir.js';

const REPO = 'ssh://bridge@server/srv/llm-bridge/bridge.git';
const EVIL = `/tmp/with space/%h 100% "quoted" 'single' $HOME \\n & <b>/Ключ`;

const SPEC: ServiceSpec = {
  role: 'agent',
  name: 'llm-bridge-agent',
  scope: 'system',
  repo: REPO,
  command: [process.execPath, '/opt/llm bridge/main.js', 'agent', '--repo', REPO, '--identity', EVIL],
  path: '/usr/local/bin:/usr/bin:/bin',
  envFile: '/etc/llm-bridge/llm-bridge-agent.env',
  writes: [],
  usesTmp: false,
  user: 'root',
};
const INGEST: ServiceSpec = {
  ...SPEC,
  role: 'ingest',
  name: 'llm-bridge-ingest',
  repo: EVIL,
  command: [process.execPath, '/opt/main.js', 'ingest', '--repo', EVIL],
  writes: [EVIL],
};
const SERVE: ServiceSpec = {
  ...SPEC,
  role: 'serve',
  name: 'llm-bridge-serve',
  command: [process.execPath, '/opt/main.js', 'serve', '--repo', REPO, '--alias', 'gpt-4o=llama3.2'],
};
const WATCH: ServiceSpec = { ...INGEST, role: 'watch', name: 'llm-bridge-watch', usesTmp: true };

const isThere = async (program: string) =>
  (await runProcess('sh', ['-c', `command -v ${program}`], { env: cleanEnv('/') })).exitCode === 0;
const hasAnalyze = await isThere('systemd-analyze');

describe.skipIf(!hasAnalyze)('systemd (skipped where there is no systemd-analyze)', () => {
  const verify = async (spec: ServiceSpec): Promise<RunResult> => {
    const dir = await tempDir();
    const service = join(dir, `${spec.name}.service`);
    const timer = join(dir, `${spec.name}.timer`);
    await writeFile(service, systemdService(spec));
    await writeFile(timer, systemdTimer(spec));
    const files = spec.role === 'ingest' ? [service, timer] : [service];
    const scope = spec.scope === 'user' ? ['--user'] : [];
    return runProcess('systemd-analyze', [...scope, 'verify', '--man=no', ...files], {
      env: cleanEnv(dir, { XDG_RUNTIME_DIR: dir }),
    });
  };

  test.each([
    ['the agent of the machine', SPEC],
    ['the agent of a person', { ...SPEC, scope: 'user' as const, user: null }],
    ['the gateway', SERVE],
    ['the watcher', WATCH],
    ['the ingest with its timer', INGEST],
  ])('has nothing to say against %s', async (_name, spec) => {
    const { exitCode, stderr } = await verify(spec);

    // It complains about units of the machine it runs on, too.
    const ours = stderr.split('\n').filter((line) => line.includes('llm-bridge'));
    expect(ours).toEqual([]);
    expect(exitCode).toBe(0);
  });

  test('would say so, if there were something: a program that is not there', async () => {
    const missing = await verify({ ...SPEC, command: ['/no/such/node', 'main.js'] });

    expect(missing.stderr).toMatch(/llm-bridge-agent\.service.*(not executable|No such file)/);
  });

  test('finds little to attack in a service of the machine', async () => {
    const dir = await tempDir();
    const file = join(dir, 'llm-bridge-agent.service');
    await writeFile(file, systemdService({ ...SPEC, user: 'nobody' }));

    const { stdout } = await runProcess(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', file],
      {
        env: cleanEnv(dir),
      },
    );

    const exposure = Number(/Overall exposure level.*?: ([0-9.]+)/.exec(stdout)?.[1]);
    expect(exposure).toBeLessThan(3);
  });
});

/** A command line as systemd reads it: quotes, C escapes, `%%` and `$$`. */
function systemdWords(line: string): string[] {
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? '') : quoted.replace(/\\(.)/g, '$1'),
  );
  return words.map((word) => word.replaceAll('%%', '%').replaceAll('$$', '$'));
}

const fromXml = (text: string) =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

test('whatever stands in a path, systemd reads the words as they were', () => {
  const line = /^ExecStart=(.*)$/m.exec(systemdService(SPEC))?.[1] ?? '';

  expect(systemdWords(line)).toEqual(SPEC.command);
  expect(systemdService(WATCH)).toContain(
    `ReadWritePaths="/tmp/with space/%%h 100%% \\"quoted\\" 'single' $HOME \\\\n & <b>/Ключ"`,
  );
});

test('whatever stands in a path, launchd reads the words as they were, behind the file for variables', () => {
  const array = /<array>(.*)<\/array>/s.exec(launchdPlist(SPEC, '/l.log'))?.[1] ?? '';
  const words = [...array.matchAll(/<string>(.*?)<\/string>/gs)].map(([, text]) => fromXml(text ?? ''));

  const [node, ...rest] = SPEC.command;
  expect(words).toEqual([node, `--env-file=${SPEC.envFile}`, ...rest]);
});

test('the task of Windows starts at logon, again after a failure, and is never ended for taking long', () => {
  const xml = taskXml(SPEC);

  expect(xml).toContain('<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>');
  expect(xml).toContain('<RestartOnFailure>');
  expect(taskXml({ ...SPEC, scope: 'user' })).toContain('<LogonTrigger/>');
  expect(taskXml(INGEST)).toContain('<Interval>PT10M</Interval>');
  expect(fromXml(/<Arguments>(.*)<\/Arguments>/.exec(xml)?.[1] ?? '')).toContain('\\"quoted\\"');
  expect(xml.replace(/&(?:amp|lt|gt|quot);/g, '')).not.toContain('&');
});

// No systemd runs where the tests do (it would have to be process 1), so what systemctl does is told by a
// stand-in that keeps what it was called with. The files are systemd's to judge, above.
describe.skipIf(process.platform !== 'linux')('service', () => {
  let home: string;
  let env: Record<string, string>;
  const calls = async () =>
    (await readFile(join(home, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const unit = () => join(home, '.config/systemd/user/llm-bridge-agent.service');
  const variables = () => join(home, '.config/llm-bridge/llm-bridge-agent.env');
  const service = (...args: string[]) => runCliHere(['service', ...args], { env });
  /** The same as a program, whose place the service is given. */
  const program = (...args: string[]) => runCli(['service', ...args], { env });

  beforeEach(async () => {
    home = await tempDir();
    // Where this process looks for it, too.
    vi.stubEnv('HOME', home);
    await mkdir(join(home, 'bin'));
    await writeFile(
      join(home, 'bin', 'systemctl'),
      `#!/bin/sh\ncase "$*" in --version|*show-environment) ;; *) echo "$@" >> "$HOME/calls";; esac\ncase "$*" in *show*) echo ActiveState=active;; esac\n`,
    );
    await chmod(join(home, 'bin', 'systemctl'), 0o755);
    env = cleanEnv(home, { PATH: `${join(home, 'bin')}${delimiter}${process.env.PATH}` });
  });

  test('is installed, says how it is, and is installed again without a change', async () => {
    const first = await program('install', 'agent', '--repo', REPO, '--', '--model', 'llama3.2');
    const text = await readFile(unit(), 'utf8');
    const state = await service('status', 'agent', '--repo', REPO);
    const again = await program('install', 'agent', '--repo', REPO, '--', '--model', 'llama3.2');

    expect(first).toMatchObject({ exitCode: 0, stderr: '' });
    expect(first.stdout).toContain(`wrote ${unit()}\nmade ${variables()}, for variables`);
    expect(text).toMatch(/^ExecStart=\S+ \S+ agent --repo ssh:\S+ --model llama3\.2$/m);
    expect((await stat(variables())).mode & 0o777).toBe(0o600);
    expect(state.stdout).toBe('llm-bridge-agent\nActiveState=active\n');
    expect(again.stdout).not.toContain('wrote');
    expect(again.stdout).toContain(`kept ${variables()}`);
    expect((await calls()).slice(0, 3)).toEqual([
      '--user daemon-reload',
      '--user enable llm-bridge-agent.service',
      '--user restart llm-bridge-agent.service',
    ]);
  });

  test.each(['ActiveState=failed', 'ActiveState=activating\nSubState=auto-restart'])(
    'that ended by itself is no success, neither where it is installed nor where its state is asked: %j',
    async (state) => {
      const systemctl = join(home, 'bin', 'systemctl');
      await writeFile(systemctl, `#!/bin/sh\necho '${state}'\n`);

      const installed = await service('install', 'agent', '--repo', REPO);
      const status = await service('status', 'agent', '--repo', REPO);

      const said =
        /^error: llm-bridge-agent does not run: it ended with a failure\ntry: read what it said: journalctl --user -u llm-bridge-agent -n 20 --no-pager\n$/;
      expect(installed.stderr).toMatch(said);
      expect(installed.stdout).toMatch(/^wrote .*\nmade [^\n]*\n$/);
      expect(status).toMatchObject({ exitCode: 1, stdout: `llm-bridge-agent\n${state}\n` });
      expect(status.stderr).toMatch(said);
    },
  );

  test('that was stopped does not run either, and how it is started is said', async () => {
    const systemctl = join(home, 'bin', 'systemctl');
    await service('install', 'agent', '--repo', REPO);
    await writeFile(systemctl, '#!/bin/sh\necho ActiveState=inactive\n');

    expect(await service('status', 'agent', '--repo', REPO)).toEqual({
      exitCode: 1,
      stdout: 'llm-bridge-agent\nActiveState=inactive\n',
      stderr:
        'error: llm-bridge-agent does not run: it was stopped, or has ended\ntry: systemctl --user start llm-bridge-agent\n',
    });
  });

  test.each([
    [{ timer: 'active', service: 'inactive' }, null],
    [{ timer: 'active', service: 'activating' }, null],
    [{ timer: 'active', service: 'failed' }, 'it ended with a failure\ntry: read what it said: journalctl'],
    [{ timer: 'inactive', service: 'inactive' }, 'it was stopped, or has ended\ntry: systemctl --user start'],
  ])('that a timer starts is asked for together with its timer: %j', async (state, said) => {
    const bridge = await startPlainBridge();
    const ingest = ['ingest', '--repo', bridge.repoPath];
    // As systemctl does it: what is asked of two units is said of each, with an empty line between.
    const told = Object.entries(state).map(([end, is]) => `*.${end}*) echo ActiveState=${is};;`);
    await writeFile(
      join(home, 'bin', 'systemctl'),
      `#!/bin/sh
echo "$@" >> "$HOME/calls"
case "$*" in *show-environment*) exit ;; *show*) ;; *) exit ;; esac
for unit; do case $unit in ${told.join(' ')} *) continue ;; esac; echo; done
`,
    );

    const installed = await service('install', ...ingest);
    const status = await service('status', ...ingest);

    expect((await calls()).filter((call) => / (?:re)?start /.test(call))).toEqual([
      '--user start --no-block llm-bridge-ingest.service',
      '--user restart llm-bridge-ingest.timer',
    ]);
    for (const { exitCode, stderr } of [installed, status]) {
      expect(exitCode).toBe(said === null ? 0 : 1);
      expect(stderr).toContain(said === null ? '' : `error: llm-bridge-ingest does not run: ${said}`);
    }
    expect(status.stdout).toContain(`ActiveState=${state.timer}\n\nActiveState=${state.service}\n`);
  });

  test('is uninstalled, keeps its variables, and uninstalling again is no failure', async () => {
    await service('install', 'agent', '--repo', REPO);
    const first = await service('uninstall', 'agent', '--repo', REPO);
    const again = await service('uninstall', 'agent', '--repo', REPO);
    const state = await service('status', 'agent', '--repo', REPO);

    expect(first.stdout).toBe(
      `removed ${unit()}\nllm-bridge-agent is uninstalled; its variables stay in ${variables()}\n`,
    );
    expect((await calls()).filter((call) => !call.includes('show')).slice(-3)).toEqual([
      '--user disable --now llm-bridge-agent.service',
      '--user daemon-reload',
      '--user reset-failed llm-bridge-agent.service',
    ]);
    expect(await readFile(variables(), 'utf8')).toMatch(/^# Variables for llm-bridge/);
    expect(again).toMatchObject({ exitCode: 0, stdout: 'llm-bridge-agent is not installed\n' });
    expect(state).toMatchObject({ exitCode: 1, stdout: 'llm-bridge-agent is not installed\n' });
  });

  test('is refused where others can read its variables, and where its name serves another bridge', async () => {
    await service('install', 'agent', '--repo', REPO);
    const other = await service('install', 'agent', '--repo', 'ssh://bridge@other/srv/bridge.git');
    await chmod(variables(), 0o644);
    const open = await service('install', 'agent', '--repo', REPO);

    expect(other.exitCode).toBe(1);
    expect(other.stderr).toMatch(/^error: .* is a service for another bridge\ntry: .*--instance NAME/);
    expect(open.exitCode).toBe(1);
    expect(open.stderr).toMatch(/^error: others can read \S+, which is for secrets\ntry: .*chmod 600 \S+\n$/);
  });

  /** A systemctl that fails at what this pattern of sh says. */
  const failingAt = (pattern: string, words: string) =>
    writeFile(
      join(home, 'bin', 'systemctl'),
      `#!/bin/sh\ncase "$*" in ${pattern}) echo "${words}" >&2; exit 1;; esac\n`,
    );

  test('says in two lines that there is no service manager, and leaves nothing behind', async () => {
    const nowhere = await runCliHere(['service', 'install', 'agent', '--repo', REPO], {
      env: { ...env, PATH: join(home, 'empty') },
    });
    expect(nowhere.exitCode).toBe(1);
    expect(nowhere.stderr).toMatch(/^error: systemctl was not found: .*\ntry: .*--print.*\n$/);
    await expect(stat(unit())).rejects.toThrow('ENOENT');
  });

  test('without a session of the user leads to --system, says the reason in status, and leaves nothing', async () => {
    await service('install', 'agent', '--repo', REPO);
    await failingAt('*daemon-reload*|*show*|*enable*|*disable*', 'Failed to connect to bus: No medium found');
    const state = await service('status', 'agent', '--repo', REPO);
    const removed = await service('uninstall', 'agent', '--repo', REPO);
    const refused = await service('install', 'agent', '--repo', REPO);
    const machine = await service('status', 'agent', '--repo', REPO, '--system', '--user', 'nobody');

    for (const { exitCode, stderr, stdout } of [state, refused]) {
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toMatch(
        /^error: systemctl has no session .*: Failed to connect to bus: No medium found\ntry: .*--system --user NAME.*\n$/,
      );
    }
    // What an earlier version left there can still be taken away.
    expect(removed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`removed ${unit()}\n`) });
    await expect(stat(unit())).rejects.toThrow('ENOENT');
    expect(machine.exitCode).toBe(1);
    expect(machine.stderr).toMatch(/^error: .*does not run: Failed to connect to bus.*\ntry: .*--print.*\n$/);
  });

  test('that the manager does not take is gone again; one that cannot be started now stays', async () => {
    await failingAt('*daemon-reload*', 'Access denied');
    const refused = await service('install', 'agent', '--repo', REPO);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(
      /^error: "systemctl --user daemon-reload" failed: Access denied\ntry: run it by hand.*\n$/,
    );
    await expect(stat(unit())).rejects.toThrow('ENOENT');

    await failingAt('*restart*', 'Job failed');
    expect((await service('install', 'agent', '--repo', REPO)).exitCode).toBe(1);
    expect((await stat(unit())).isFile()).toBe(true);
  });

  test('prints files and commands for any system, and touches nothing', async () => {
    const bridge = await startPlainBridge();
    const of = async (...args: string[]) => (await service('install', ...args, '--print')).stdout;
    const linux = await of('ingest', '--system', '--repo', bridge.repoPath);
    const watch = await of('watch', 'task.txt', '--system', '--repo', bridge.repoPath);
    const mac = await of('agent', '--repo', REPO, '--platform', 'darwin');
    const windows = await of('agent', '--repo', REPO, '--platform', 'win32', '--instance', 'second');

    expect(linux).toMatch(/^# \/etc\/systemd\/system\/llm-bridge-ingest\.service$/m);
    for (const unit of [linux, watch]) expect(unit).toContain(`User=${process.getuid?.()}\n`);
    expect(watch).toContain(`ReadWritePaths=${bridge.repoPath}\n`);
    expect(watch).not.toContain('RestrictSUIDSGID');
    expect(linux).toMatch(/^systemctl enable llm-bridge-ingest\.timer$/m);
    expect(mac).toMatch(
      /^launchctl bootstrap gui\/\d+ \S+\/Library\/LaunchAgents\/llm-bridge-agent\.plist$/m,
    );
    expect(windows).toMatch(/^schtasks \/Create \/F \/TN 'llm-bridge\\llm-bridge-agent-second' \/XML /m);
    expect(await calls()).toEqual([]);
    await expect(stat(unit())).rejects.toThrow('ENOENT');
  });

  test('gives the command every option that it is installed with: paths absolute, what follows "--" last', async () => {
    const bridge = await startPlainBridge();
    const of = async (...args: string[]) => {
      const { stdout, stderr } = await service('install', '--print', ...args);
      expect(stderr).toBe('');
      return systemdWords(/^ExecStart=(.*)$/m.exec(stdout)?.[1] ?? '').slice(2);
    };
    const cwd = process.cwd();

    const switches = ['--accept-new-host-key', '--parallel', '2', '--ollama-url', 'http://127.0.0.1:1'];
    const paths = ['--state-dir', 'state', '--identity', '~key'];
    expect(await of('agent', '--repo', REPO, ...switches, ...paths, '--', '--model', '-x')).toEqual([
      ...['agent', '--repo', REPO, '--ollama-url', 'http://127.0.0.1:1', '--parallel', '2'],
      ...['--state-dir', join(cwd, 'state'), '--identity', join(cwd, '~key'), '--accept-new-host-key'],
      ...['--model', '-x'],
    ]);
    const watch = ['watch', 'task.txt', '--repo', bridge.repoPath, '--settle', '2'];
    expect(await of(...watch)).toEqual(['watch', join(cwd, 'task.txt'), ...watch.slice(2)]);
    // What a person has set for other programs does not get into a unit, but the key that goes with the
    // bridge.
    Object.assign(env, { LLM_BRIDGE_MODEL: 'mine', LLM_BRIDGE_IDENTITY: '/k' });
    expect(await of('agent', '--repo', REPO)).toEqual(['agent', '--repo', REPO, '--identity', '/k']);
    expect(await of('ingest', '--repo', bridge.repoPath)).toEqual(['ingest', '--repo', bridge.repoPath]);
  });

  test('of the machine writes to the state folder that it was given, else to one that systemd makes', async () => {
    const of = async (...args: string[]) =>
      (await service('install', 'agent', '--system', '--repo', REPO, ...args, '--print')).stdout;

    expect(await of()).toMatch(/^ExecStart=.* --state-dir \/var\/lib\/llm-bridge-agent$/m);
    const given = await of('--state-dir', '/srv/agent state');
    expect(given).toMatch(/^ExecStart=.* --state-dir "\/srv\/agent state"$/m);
    expect(given).toContain('ReadWritePaths="/srv/agent state"\n');
  });

  test('of the machine writes, as the gateway of a bridge elsewhere, to where its user keeps tokens and batches', async () => {
    const bridge = await startPlainBridge();
    const of = async (...args: string[]) =>
      (await service('install', '--system', '--user', 'nobody', '--print', ...args)).stdout;
    const home = (
      await runProcess('sh', ['-c', 'getent passwd nobody | cut -d: -f6'], { env })
    ).stdout.trim();
    const folder = `${home}/.local/share/llm-bridge`;

    const far = await of('serve', '--repo', REPO);
    expect(far).toContain(`ReadWritePaths=-${folder}\n`);
    // Made first, and not by root, to whom the folders around it would belong.
    expect(far).toMatch(new RegExp(`^runuser -u nobody -- mkdir -p -m 700 ${folder}\nsystemctl `, 'm'));
    for (const other of [await of('serve', '--repo', bridge.repoPath), await of('wake', '--repo', REPO)])
      expect(other).not.toMatch(/runuser|ReadWritePaths=-/);
    const both = await of('serve', '--repo', bridge.repoPath, '--repo', REPO);
    expect(both).toContain(`ReadWritePaths=${bridge.repoPath}\nReadWritePaths=-${folder}\n`);
  });

  test('of the machine is asked for and removed by its name, whoever it runs as', async () => {
    for (const action of ['status', 'uninstall']) {
      const { exitCode, stdout, stderr } = await service(action, 'agent', '--system', '--repo', REPO);
      expect([exitCode, stdout, stderr]).toEqual([
        action === 'status' ? 1 : 0,
        'llm-bridge-agent is not installed\n',
        '',
      ]);
    }
    const { exitCode, stderr } = await service('install', 'agent', '--system', '--repo', REPO);
    expect(exitCode).toBe(2);
    expect(stderr).toBe('error: a service of the machine needs a user to run as\ntry: --user NAME\n');
  });

  test('what is asked for in a wrong way ends with 2 and the right way', async () => {
    const wrong = [
      ['install', 'ingest', '--repo', REPO],
      ['install', 'watch', '--repo', home],
      ['install', 'agent', '--repo', REPO, '--platform', 'win32'],
      ['install', 'agent', '--repo', REPO, '--instance', 'a b'],
      ['install', 'agent', '--repo', REPO, '--settle', '1'],
      ['install', 'agent', '--repo', REPO, '--parallel', '0'],
      ['install', 'agent', '--repo', REPO, '--once'],
      // It could keep no host key, and would take any at each connection.
      ...[
        ['--accept-new-host-key'],
        ['--', '--accept-new-host-key'],
        ['--', '--accept-new-host-key=true'],
      ].map((asked) => [
        'install',
        'agent',
        '--repo',
        REPO,
        '--system',
        '--user',
        'nobody',
        '--print',
        ...asked,
      ]),
    ];
    for (const args of wrong) {
      const { exitCode, stderr } = await service(...args);
      expect(exitCode, args.join(' ')).toBe(2);
      expect(stderr).toMatch(/^error: .*\ntry: .*\n$/);
    }
  });
});
