import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkKeys } from '../../../src/admin/doctor/check-keys.js';
import { type KeyPair, makeKeyPair } from '../../../src/admin/make-key-pair.js';
import { startLocalSshd } from '../../../src/demo/local-sshd.js';
import { sshCommandFor, sshOptionsFor } from '../../../src/demo/ssh-client.js';
import { claimRef, writeClaim } from '../../../src/protocol/claim.js';
import { helloSchema } from '../../../src/protocol/hello.js';
import { modelsRef, writeModels } from '../../../src/protocol/models.js';
import { presenceRef, writePresence } from '../../../src/protocol/presence.js';
import { aPresence } from '../../support/a-presence.js';
import { cleanEnv } from '../../support/clean-env.js';
import { runCli } from '../../support/cli.js';
import { runCliHere } from '../../support/cli-here.js';
import { gitOk } from '../../support/git.js';
import { messageWriter } from '../../support/message-writer.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type RunResult, runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

// SECURITY.md: P33, P37

let dir: string;
let env: Record<string, string>;
let repo: string;
let pair: KeyPair;
let other: KeyPair;
/** `<type> <base64>` of `pair`. */
let keyText: string;
/** Its fingerprint, as ssh-keygen says it. */
let print: string;
/** The authorized_keys of the running test, not there yet. */
let file: string;
let count = 0;

beforeAll(async () => {
  dir = await tempDir();
  env = cleanEnv(dir);
  repo = join(dir, 'bridge.git');
  expect((await runCli(['init', repo], { env })).exitCode).toBe(0);
  pair = await makeKeyPair(join(dir, 'one'), 'me@home');
  other = await makeKeyPair(join(dir, 'two'), 'two');
  keyText = (await readFile(pair.publicKeyFile, 'utf8')).split(' ').slice(0, 2).join(' ');
  const shown = await runProcess('ssh-keygen', ['-lf', pair.publicKeyFile], { env });
  print = shown.stdout.split(' ')[1] ?? '';
});

beforeEach(async () => {
  count += 1;
  file = join(dir, `ssh-${count}`, 'authorized_keys');
  await rm(join(repo, 'bridge/principals'), { recursive: true });
  await mkdir(join(repo, 'bridge/principals'));
});

const key = (args: readonly string[], at = repo, run = runCliHere): Promise<RunResult> =>
  run(['key', ...args, '--repo', at, '--authorized-keys', file], { env });
const add = (name: string, publicKeyFile = pair.publicKeyFile, role = 'agent', at = repo, run = runCliHere) =>
  key(['add', name, '--role', role, '--key', publicKeyFile], at, run);
const lineOf = (name: string) =>
  `restrict,command="${repo}/bridge/ssh-command ${name} ${print}" ${keyText} llm-bridge:${name}`;
const roleFile = (name: string) => join(repo, 'bridge/principals', name);

test('a key that is added is one line and one role, for their owner alone, and adding it again changes nothing', async () => {
  const first = await add('home-pc');
  const before = await stat(file);
  const second = await add('home-pc');

  expect(first).toEqual({ exitCode: 0, stdout: `${lineOf('home-pc')}\n`, stderr: '' });
  expect(second).toEqual(first);
  expect(await readFile(file, 'utf8')).toBe(`${lineOf('home-pc')}\n`);
  expect((await stat(file)).ino).toBe(before.ino);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(join(file, '..'))).mode & 0o777).toBe(0o700);
  expect(await readFile(roleFile('home-pc'), 'utf8')).toMatch(/^agent SHA256:\S{43}\n$/);
  expect((await stat(roleFile('home-pc'))).mode & 0o777).toBe(0o640);
});

test('a line of before, without the fingerprint, is listed, gets it when the key is added again, and goes', async () => {
  await mkdir(join(file, '..'));
  const old = lineOf('home-pc').replace(` ${print}"`, '"');
  await writeFile(file, `# mine\nfrom="10.0.0.0/8",${old}\n# end\n`);

  expect((await key(['list'])).stdout).toBe(`home-pc\tremoved\t${print}\n`);
  const added = await add('home-pc');

  expect(added.stdout).toBe(`from="10.0.0.0/8",${lineOf('home-pc')}\n`);
  expect(await readFile(file, 'utf8')).toBe(`# mine\n${added.stdout}# end\n`);
  expect((await key(['remove', 'home-pc'])).exitCode).toBe(0);
  expect(await readFile(file, 'utf8')).toBe('# mine\n# end\n');
});

test('a connection that a removed key opened serves nobody when its name goes to another key', async () => {
  const sshd = await startLocalSshd({ dir: join(dir, 'sshd-again'), authorizedKeysFile: file });
  onCleanup(sshd.stop);
  await add('home-pc');
  const socket = join(dir, 'mux');
  const options = [...sshOptionsFor(sshd, pair.identityFile), '-o', `ControlPath=${socket}`];
  const at = `${sshd.user}@${sshd.host}`;
  const master = await runProcess('ssh', [...options, '-o', 'ControlMaster=yes', '-fN', at], { env });
  expect(master).toMatchObject({ exitCode: 0 });
  onCleanup(async () => void (await runProcess('ssh', [...options, '-O', 'exit', at], { env })));
  const hello = () => runProcess('ssh', [...options, at, 'bridge-hello'], { env });
  expect(helloSchema.parse(JSON.parse((await hello()).stdout)).name).toBe('home-pc');

  await key(['remove', 'home-pc']);
  expect((await hello()).exitCode).not.toBe(0);
  await add('home-pc', other.publicKeyFile);

  const again = await hello();
  expect(again).toMatchObject({ exitCode: 1, stdout: '' });
  expect(again.stderr).toContain('was removed');
});

test('eight keys added at once, and then removed at once beside one that is added, lose no line', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `agent-${index}`);
  const pairs = await Promise.all(names.map((name) => makeKeyPair(join(dir, `of-${name}`), name)));
  const linesOf = async () => (await readFile(file, 'utf8')).trimEnd().split('\n').sort();

  const added = await Promise.all(
    names.map((name, index) => add(name, pairs[index]?.publicKeyFile, 'agent', repo, runCli)),
  );
  expect(await linesOf()).toEqual(added.map(({ stdout }) => stdout.trimEnd()).sort());

  const [last] = await Promise.all([
    add('home-pc', pair.publicKeyFile, 'agent', repo, runCli),
    ...names.map((name) => key(['remove', name], repo, runCli)),
  ]);
  expect(await linesOf()).toEqual([last?.stdout.trimEnd()]);
});

test('the list has each key once with the fingerprint that ssh-keygen says, and says which is removed', async () => {
  await add('home-pc');
  await add('bot', other.publicKeyFile, 'asker');
  await rm(roleFile('bot'));
  const shown = await runProcess('ssh-keygen', ['-lf', pair.publicKeyFile], { env });

  const { stdout } = await key(['list']);

  expect(stdout.split('\n')).toEqual([
    `home-pc\tagent\t${shown.stdout.split(' ')[1]}`,
    expect.stringMatching(/^bot\tremoved\tSHA256:/),
    '',
  ]);
});

test('lines of others stay as they are byte for byte, through adding and removing, and the mode is kept', async () => {
  const foreign = Buffer.concat([
    Buffer.from('# a comment\r\n\n  # another, indented\nssh-rsa AAAA nobody\tx\r\n'),
    // Latin-1, as an old editor wrote it.
    Buffer.from([0x23, 0x20, 0xfc, 0xff, 0x0a]),
    Buffer.from(`command="${repo}x/bridge/ssh-command home-pc" ssh-ed25519 AAAA other bridge\n`),
    Buffer.from('no newline at the end'),
  ]);
  await mkdir(join(file, '..'));
  await writeFile(file, foreign);
  await chmod(file, 0o640);

  await add('home-pc');
  const added = await readFile(file);
  await add('bot', other.publicKeyFile);
  await key(['remove', 'bot']);
  const removed = await key(['remove', 'home-pc']);

  expect(added.equals(Buffer.concat([foreign, Buffer.from(`\n${lineOf('home-pc')}\n`)]))).toBe(true);
  expect(removed.stdout).toBe(`${lineOf('home-pc')}\n`);
  expect((await readFile(file)).equals(Buffer.concat([foreign, Buffer.from('\n')]))).toBe(true);
  expect((await stat(file)).mode & 0o777).toBe(0o640);
});

test('an authorized_keys that is a symbolic link stays one', async () => {
  await mkdir(join(file, '..'));
  const real = join(file, '..', 'real');
  await writeFile(real, '# real\n');
  await symlink('real', file);

  await add('home-pc');

  expect((await lstat(file)).isSymbolicLink()).toBe(true);
  expect(await readFile(real, 'utf8')).toBe(`# real\n${lineOf('home-pc')}\n`);
});

test('a line that is commented out lets nobody in, so the key is added again', async () => {
  await mkdir(join(file, '..'));
  await writeFile(file, `#${lineOf('home-pc')}\n`);
  expect((await key(['list'])).stdout).toBe('');

  await add('home-pc');

  expect(await readFile(file, 'utf8')).toBe(`#${lineOf('home-pc')}\n${lineOf('home-pc')}\n`);
});

test('a key is taken as text, with or without its comment, and from standard input', async () => {
  const line = (await add('home-pc')).stdout;
  await rm(file);
  expect(await add('home-pc', `${keyText} me@pc`)).toMatchObject({ exitCode: 0, stdout: line });
  await rm(file);
  expect(await add('home-pc', keyText)).toMatchObject({ exitCode: 0, stdout: line });
  await rm(file);
  // As Notepad and PowerShell's ">" write it.
  for (const encoding of ['utf8', 'utf16le'] as const) {
    const path = join(dir, `key-${encoding}`);
    await writeFile(path, Buffer.from(`\ufeff${keyText}\r\n`, encoding));
    expect(await add('home-pc', path)).toMatchObject({ exitCode: 0, stdout: line });
    await rm(file);
  }

  const words = ['key', 'add', 'home-pc', '--role', 'agent', '--key', '-', '--repo', repo];
  const piped = await runCli([...words, '--authorized-keys', file], { env, input: `${keyText}\n` });
  expect(piped).toMatchObject({ exitCode: 0, stdout: line });
});

describe('what is refused, and nothing is written', () => {
  const text = (content: string | Buffer) => async () => {
    const path = join(dir, `key-${count}`);
    await writeFile(path, content);
    return path;
  };
  const cases: readonly (readonly [string, string, () => string | Promise<string>])[] = [
    ['a private key', 'private key', () => pair.identityFile],
    ['a file that is not there', 'cannot read', () => '/nowhere/key.pub'],
    ['an empty file', '0 keys', text('')],
    ['garbage', 'not a public SSH key', text('hello world\n')],
    ['bytes', 'not a public SSH key', text(Buffer.from([0, 1, 2, 255]))],
    ['two keys', '2 keys', async () => text(`${keyText}\n${await readFile(other.publicKeyFile, 'utf8')}`)()],
    ['a key with options in front', 'not a public', () => text(`no-pty ${keyText}\n`)()],
    ['another type than the bytes say', 'not a public', () => text(keyText.replace('ed25519', 'rsa'))()],
    ['a key that was cut off', 'not a public', () => text(keyText.slice(0, -12))()],
    ['a type without a key', 'not a public', text('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n')],
    ['the text of a key that was cut off', 'cut off', () => keyText.slice(0, -12)],
    ['the text of two keys', 'more than one', () => `${keyText}\n${keyText}`],
    ['an outdated type', 'not a public', text('ssh-dss AAAAB3NzaC1kc3MAAAAB\n')],
  ];
  test.each(cases)('%s', async (_what, says, make) => {
    const result = await add('home-pc', await make());

    expect(result).toMatchObject({ exitCode: 1, stdout: '' });
    expect(result.stderr).toContain(says);
    expect(result.stderr).toContain('\ntry: ');
    await expect(stat(file)).rejects.toThrow();
    await expect(stat(roleFile('home-pc'))).rejects.toThrow();
  });

  test.each(['a/b', '..', '.hidden', 'a b', ' ', 'a"b', 'a$b', 'a\nb', 'x'.repeat(65), 'hоme'])(
    'the name %j',
    async (name) => {
      expect(await add(name)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('no name for a key'),
      });
      expect((await key(['remove', name])).exitCode).toBe(2);
      await expect(stat(file)).rejects.toThrow();
    },
  );

  test.each([
    ['x.', /a name must start with a letter or digit, end with one or/],
    ['dot.', /a name must start with a letter or digit, end with one or/],
    ['a..b', /a name must have no "\.\." in it/],
    ['x.lock', /a name must have no .* "\.lock" at its end: git takes neither in a ref/],
  ])('the name %s, which git takes for no ref or for no author', async (name, reason) => {
    const refused = await add(name);

    expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
    expect(refused.stderr).toContain(`error: "${name}" is no name for a key\ntry: `);
    expect(refused.stderr).toMatch(reason);
    await expect(stat(file)).rejects.toThrow();
    await expect(stat(roleFile(name))).rejects.toThrow();
    // One that was let in by it before is listed, named by doctor, and can be removed.
    await add('home-pc');
    await writeFile(file, lineOf('home-pc').replaceAll('home-pc', name));
    await rename(roleFile('home-pc'), roleFile(name));
    expect((await key(['list'])).stdout).toContain(`${name}\tagent`);
    expect(await checkKeys(repo, file)).toContainEqual({
      status: 'broken',
      text: expect.stringContaining(`the name ${name} is none that git takes`),
      remedy: expect.stringContaining(`llm-bridge key remove ${name} `),
    });
    expect(await key(['remove', name])).toMatchObject({ exitCode: 0 });
    expect((await key(['list'])).stdout).toBe('');
    await expect(stat(roleFile(name))).rejects.toThrow();
  });

  test('a name that is taken, and a key that has another name or another purpose', async () => {
    await add('home-pc');
    const before = await readFile(file, 'utf8');

    const taken = await add('home-pc', other.publicKeyFile);
    const twice = await add('laptop');
    expect(await readFile(file, 'utf8')).toBe(before);
    await appendFile(file, await readFile(other.publicKeyFile, 'utf8'));
    const shell = await add('laptop', other.publicKeyFile);

    expect(taken.stderr).toContain('is taken by another key');
    expect(twice.stderr).toContain('stands in');
    expect(shell.stderr).toContain('stands in');
    await expect(stat(roleFile('laptop'))).rejects.toThrow();
  });

  test('removing a name that nobody has, and a bridge that is none', async () => {
    expect((await key(['remove', 'nobody'])).stderr).toContain('no key named nobody');
    expect((await key(['list'], dir)).stderr).toContain('not a bridge');
  });
});

test('a name whose line was taken out by hand can still be removed', async () => {
  await add('home-pc');
  await writeFile(file, '');

  expect(await key(['remove', 'home-pc'])).toMatchObject({ exitCode: 0 });

  await expect(stat(roleFile('home-pc'))).rejects.toThrow();
});

test('a removed key has no presence, no models and no claims, also where an earlier removal was killed before that', async () => {
  const at = { gitDir: repo, env };
  const write = messageWriter(repo, env);
  const instant = new Date().toISOString();
  const session = '1'.repeat(16);
  const plant = async (ref: string, bytes: Uint8Array) =>
    gitOk(['update-ref', ref, await write.blob(bytes)], at);
  const plantAll = async () => {
    for (const [index, agent] of ['home-pc', 'attic-pc'].entries()) {
      await plant(presenceRef(agent), writePresence(aPresence({ agent, session, seen_at: instant })));
      await plant(modelsRef(agent), writeModels({ agent, at: instant, models: [] }));
      const until = new Date(Date.now() + 60_000).toISOString();
      for (const digit of ['a', 'b'])
        await plant(claimRef(`${digit}${index}`.repeat(20)), writeClaim({ agent, session, until }));
    }
  };
  const refs = async () =>
    (await gitOk(['for-each-ref', '--format=%(refname)', 'refs/bridge/'], at)).trim().split('\n');
  const others = [
    presenceRef('attic-pc'),
    claimRef('a1'.repeat(20)),
    claimRef('b1'.repeat(20)),
    modelsRef('attic-pc'),
  ];
  await add('home-pc');
  await plantAll();

  expect(await key(['remove', 'home-pc'])).toMatchObject({ exitCode: 0 });

  expect(await refs()).toEqual(others);
  // Who waits for a task that was claimed hears of it.
  expect(await readFile(join(repo, 'bridge/bell'), 'utf8')).toContain('\n');
  await plantAll();
  expect(await key(['remove', 'home-pc'])).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await refs()).toEqual(others);
  expect(await key(['remove', 'home-pc'])).toMatchObject({ exitCode: 1 });
});

test('a bridge whose path has blanks and other letters is served by a real sshd, and a removed key is not', async () => {
  const spaced = join(dir, 'my bridges', 'мост & #1 (a).git');
  expect(await runCli(['init', spaced], { env })).toMatchObject({ exitCode: 0 });
  expect(await add('home-pc', pair.publicKeyFile, 'asker', spaced)).toMatchObject({ exitCode: 0 });
  expect((await key(['list'], spaced)).stdout).toContain('home-pc\tasker');
  const sshd = await startLocalSshd({ dir: join(dir, 'sshd'), authorizedKeysFile: file });
  onCleanup(sshd.stop);
  const target = `${sshd.user}@127.0.0.1`;
  const hello = () =>
    runProcess('ssh', [...sshOptionsFor(sshd, pair.identityFile), target, 'bridge-hello'], { env });
  const at = { env: { ...env, GIT_SSH_COMMAND: sshCommandFor(sshd, pair.identityFile) } };

  expect(helloSchema.parse(JSON.parse((await hello()).stdout))).toMatchObject({ name: 'home-pc' });
  await gitOk(['clone', '--quiet', '--bare', `${target}:${spaced}`, join(dir, 'cloned.git')], at);
  expect(await gitOk(['log', '--format=%s'], { gitDir: join(dir, 'cloned.git') })).toBe('Make a bridge\n');

  // The line stands still; the role is gone.
  await rm(join(spaced, 'bridge/principals/home-pc'));
  expect((await hello()).stderr).toContain('was removed');
  expect((await key(['remove', 'home-pc'], spaced)).exitCode).toBe(0);
  expect((await hello()).stderr).toContain('Permission denied');
});
