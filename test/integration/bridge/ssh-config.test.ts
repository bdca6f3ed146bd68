import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openConnection } from '../../../src/bridge/connection.js';
import { findSocketLocation } from '../../../src/bridge/control-socket.js';
import { sshWords } from '../../../src/bridge/run-ssh.js';
import { cleanEnv } from '../../support/clean-env.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

/** What a person may well have in ssh's configuration for logins to a server, and what is to be of it. */
const PERSONAL: readonly (readonly [line: string, field: string, value: string | undefined])[] = [
  ['RemoteCommand tmux new-session -A', 'remotecommand', undefined],
  ['RequestTTY force', 'requesttty', 'false'],
  ['BatchMode no', 'batchmode', 'yes'],
  ['PermitLocalCommand yes', 'permitlocalcommand', 'no'],
  ['VisualHostKey yes', 'visualhostkey', 'no'],
  ['LocalForward 127.0.0.1:1080 127.0.0.1:80', 'clearallforwardings', 'yes'],
  ['ServerAliveInterval 0', 'serveraliveinterval', '10'],
  ['ConnectTimeout 0', 'connecttimeout', '20'],
  ['LogLevel QUIET', 'loglevel', 'ERROR'],
  ['LogLevel FATAL', 'loglevel', 'ERROR'],
  // Known since OpenSSH 8.7; an older one does not print them.
  ['SessionType none', 'sessiontype', 'default'],
  ['StdinNull yes', 'stdinnull', 'no'],
  ['ForkAfterAuthentication yes', 'forkafterauthentication', 'no'],
];

/** What ssh would do for a bridge, with these lines in the configuration of its user. */
async function withLines(lines: readonly string[], options = '') {
  const dir = await tempDir();
  const file = join(dir, 'config');
  const newer = 'IgnoreUnknown SessionType,StdinNull,ForkAfterAuthentication';
  await writeFile(file, `Host *\n  ${[newer, ...lines].join('\n  ')}\n`);
  const env = cleanEnv(dir, { GIT_SSH_COMMAND: `ssh -F '${file}'${options}`, XDG_RUNTIME_DIR: dir });
  const said = async (words: readonly string[]) => {
    const [program = '', ...args] = words;
    const { stdout } = await runProcess(program, args, { env });
    return new Map(stdout.split('\n').map((one) => [one.split(' ')[0], one.split(' ').slice(1).join(' ')]));
  };
  const { ssh } = await openConnection('ssh://bridge@server/bridge.git', env);
  if (ssh === null) throw new Error('not over ssh');
  return {
    // With RemoteCommand ssh takes no command, and with ForkAfterAuthentication it wants one.
    theirs: new Map([
      ...(await said(['ssh', '-F', file, '-G', 'bridge@server', 'true'])),
      ...(await said(['ssh', '-F', file, '-G', 'bridge@server'])),
    ]),
    ours: await said(sshWords(ssh, ['-G'], 'true')),
    ofGit: await said(['sh', '-c', `${ssh.env.GIT_SSH_COMMAND} "$@"`, 'ssh', '-G', 'bridge@server', 'true']),
  };
}

test('the socket of a service is in the folder that systemd removes with it', async () => {
  const dir = await tempDir();
  const own = join(dir, 'own');
  await mkdir(own);
  const at = async (more: Record<string, string>) =>
    dirname((await findSocketLocation({ ...cleanEnv(dir), XDG_RUNTIME_DIR: dir, ...more }))?.folder ?? '');
  expect(await at({ RUNTIME_DIRECTORY: own })).toBe(own);
  expect(await at({})).toBe(dir);
  // Several, and one that is too long for a socket.
  expect(await at({ RUNTIME_DIRECTORY: `${own}:${dir}` })).toBe(dir);
  expect(await at({ RUNTIME_DIRECTORY: join(own, 'x'.repeat(90)) })).toBe(dir);
});

describe('what a person has set for logins is not for us, whether git starts ssh or we do', () => {
  test.each(PERSONAL)('%s', async (line, field, value) => {
    const { theirs, ours, ofGit } = await withLines([line]);
    if (!theirs.has(field)) return;
    // The test can fail: ssh heeds the line.
    if (field !== 'clearallforwardings') expect(theirs.get(field)).not.toBe(value);
    expect([ours.get(field), ofGit.get(field)]).toEqual([value, value]);
  });

  test('where connections are not shared either', async () => {
    const lines = ['PermitLocalCommand yes', 'LocalCommand echo hi', 'SessionType none', 'StdinNull yes'];
    const { ours, ofGit } = await withLines(lines, ' -o ControlPath=/nowhere/s');
    for (const said of [ours, ofGit]) {
      expect(said.get('controlpath')).toBe('/nowhere/s');
      expect(said.get('permitlocalcommand')).toBe('no');
      expect(said.get('sessiontype') ?? 'default').toBe('default');
      expect(said.get('stdinnull') ?? 'no').toBe('no');
    }
  });
});

test('what a person has chosen about the way is kept', async () => {
  const way = ['HostName 192.0.2.1', 'Port 2222', 'ProxyJump jump', 'IdentityFile ~/.ssh/mine'];
  const { ours } = await withLines([...way, 'LogLevel DEBUG']);
  expect(['hostname', 'port', 'proxyjump', 'loglevel', 'identityfile'].map((one) => ours.get(one))).toEqual([
    ...['192.0.2.1', '2222', 'jump', 'DEBUG'],
    expect.stringContaining('.ssh/mine'),
  ]);
});
