import { expect, test } from 'vitest';
import { classifyGitFailure } from '../../../src/git/git-failure.js';
import { firstWords } from '../../../src/git/git-meaning.js';
import { gitFailed } from '../../../src/git/run-git.js';

const TAIL =
  '\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n';

// Verbatim from git 2.39 and OpenSSH 9.2 but for names.
test.each([
  ['Host key verification failed.', 'ssh-host-key', false],
  [
    'No ED25519 host key is known for server and you have requested strict checking.\r\nHost key verification failed.\r',
    'ssh-host-key',
    false,
  ],
  [
    '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r',
    'ssh-host-key',
    false,
  ],
  ['bridge@server: Permission denied (publickey,password).\r', 'ssh-auth', false],
  [
    'Load key "/home/me/key": error in libcrypto\r\nbridge@server: Permission denied (publickey).\r',
    'ssh-identity',
    false,
  ],
  ['Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r', 'ssh-auth', false],
  [
    'Warning: Identity file /nope not accessible: No such file or directory.\nbridge@server: Permission denied (publickey).\r',
    'ssh-identity',
    false,
  ],
  [
    'no such identity: /nope: No such file or directory\r\nbridge@server: Permission denied (publickey).\r',
    'ssh-identity',
    false,
  ],
  [
    'Warning: Identity file /nope not accessible: No such file or directory.\nssh: connect to host server port 22: Connection refused\r',
    'unreachable',
    true,
  ],
  ['ssh: Could not resolve hostname nope.invalid: Name or service not known\r', 'ssh-host', true],
  ["fatal: unable to access 'https://nope.invalid/': Could not resolve host: nope.invalid", 'ssh-host', true],
  ['ssh: connect to host server port 22: Connection refused\r', 'unreachable', true],
  ['ssh: connect to host server port 22: Connection timed out\r', 'unreachable', true],
  ['ssh: connect to host server port 22: No route to host\r', 'unreachable', true],
  ['ssh: connect to host server port 22: Network is unreachable\r', 'unreachable', true],
  [
    'Connection timed out during banner exchange\r\nConnection to UNKNOWN port 65535 timed out\r',
    'unreachable',
    true,
  ],
  ['kex_exchange_identification: read: Connection reset by peer\r', 'unreachable', true],
  ['client_loop: send disconnect: Broken pipe\r', 'unreachable', true],
  ['Timeout, server 10.0.0.1 not responding.\r', 'unreachable', true],
  ['fatal: the remote end hung up unexpectedly', 'connection-broke', true],
  // Cut off after post-receive had spoken.
  [
    'remote: llm-bridge: 5 answers logged, the last as no. 73        \nfatal: the remote end hung up unexpectedly',
    'connection-broke',
    true,
  ],
  [
    'fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output',
    'connection-broke',
    true,
  ],
  ['llm-bridge: this key may not run that', 'refused', false],
  [
    'llm-bridge: the config of this bridge is empty or damaged, and nothing is served without it; try: llm-bridge doctor on the server',
    'server-damaged',
    true,
  ],
  ["fatal: '/srv/nope.git' does not appear to be a git repository", 'no-such-repository', false],
  ["fatal: couldn't find remote ref refs/heads/main", 'no-main', false],
  ["fatal: detected dubious ownership in repository at '/srv/bridge.git'", 'other-owner', false],
  [
    'error: file write error: No space left on device\nfatal: unable to write loose object file',
    'disk-full',
    true,
  ],
] as const)('%j is %s, and whether it may pass is %s', (stderr, code, retryable) => {
  const error = classifyGitFailure('fetch from x', `${stderr}${TAIL}`);
  expect(error).toMatchObject({ code, retryable });
  expect(error.message).toMatch(/^fetch from x: /);
  expect(error.remedy).not.toBe('');
  expect(error.message).not.toMatch(/[\r\n]|correct access rights/);
});

test('a connection that sshd ends before a word is told from a server that is away', () => {
  const said = classifyGitFailure(
    'fetch',
    `kex_exchange_identification: read: Connection reset by peer\r${TAIL}`,
  );
  expect(said.message).toContain('the server turned the connection away (kex_exchange_identification');
  expect(said.remedy).toMatch(/^wait a minute: .*PerSourcePenalties, MaxStartups/);
});

test('what no table knows is told in the words of git, and may pass', () => {
  const error = classifyGitFailure('push to x', 'fatal: \u001b[31mmoon in the seventh house\n');
  expect(error).toMatchObject({ code: 'git-failed', retryable: true });
  expect(error.message).toBe('push to x failed: fatal: [31mmoon in the seventh house');
  expect(classifyGitFailure('push to x', '').message).toBe('push to x failed: git said nothing');
});

test.each([
  // What the server says to everybody comes first, and what follows from a failure comes last.
  [
    'Welcome!\r\nbridge@server: Permission denied (publickey).\r',
    'bridge@server: Permission denied (publickey).',
  ],
  [
    'Welcome!\nLoad key "/k": error in libcrypto\r\nb@s: Permission denied (publickey).\r',
    'Load key "/k": error in libcrypto',
  ],
  [
    'error: file write error: No space left on device\nfatal: unable to write loose object file',
    'error: file write error: No space left on device',
  ],
  [
    'fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF',
    'fetch-pack: unexpected disconnect while reading sideband packet',
  ],
])('of %j the reader is shown the words that tell why', (stderr, words) => {
  const error = classifyGitFailure('fetch from x', `${stderr}${TAIL}`);
  expect(error.message).toMatch(/^fetch from x: /);
  expect(error.message.endsWith(`(${words})`), error.message).toBe(true);
});

test.each([
  ['error: bad signature 0x0\nfatal: index file corrupt\n', 'error: bad signature 0x0'],
  ["Warning: Permanently added 'x' (ED25519) to the list of known hosts.\nfatal: no\n", 'fatal: no'],
  ["warning: unable to access '/x': Permission denied\nfatal: no\nhint: read it\n", 'fatal: no'],
  [
    "warning: unable to access '/x': Permission denied\n",
    "warning: unable to access '/x': Permission denied",
  ],
  // By the user's url.….insteadOf an address has a password that git alone knows of.
  [
    "fatal: unable to access 'https://me:s3cret@host/b.git/': x\n",
    "fatal: unable to access 'https://…@host/b.git/': x",
  ],
  ['\n', ''],
])('the first words of %j are %j', (stderr, words) => {
  expect(firstWords(stderr)).toBe(words);
});

test('a server that floods us with words costs no time to understand', () => {
  const before = process.cpuUsage();
  for (const word of [
    'no such identity ',
    'Load key \n',
    '[rejected] ',
    'Identity file ',
    'host key for ',
    "couldn't write '",
  ])
    classifyGitFailure('fetch from x', word.repeat(1_000_000));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(5_000);
});

test('a refusal of the bridge is told in its own words, with its own remedy', () => {
  const said = 'llm-bridge: no such repository here: /srv/x.git; try: the other path';
  const error = classifyGitFailure('fetch from x', `${said}${TAIL}`);
  expect(error.message).toBe('fetch from x: the server refused: no such repository here: /srv/x.git');
  expect(error.remedy).toBe('the other path');
});

test.each([
  ['ssh://bridge@server/srv/y.git', 'ssh://bridge@server/srv/x.git'],
  ['ssh://bridge@server:2222/srv/y.git', 'ssh://bridge@server:2222/srv/x.git'],
  ['ssh://[fe80::1]:2222/srv/y.git', 'ssh://[fe80::1]:2222/srv/x.git'],
  ['SSH://server/srv/y.git', 'SSH://server/srv/x.git'],
  ['bridge@server:y.git', 'bridge@server:/srv/x.git'],
  ['server:/srv/y.git', 'server:/srv/x.git'],
  ['bridge@[::1]:y.git', 'bridge@[::1]:/srv/x.git'],
  ['bridge@[server:2222]:y.git', 'bridge@[server:2222]:/srv/x.git'],
  ['[bridge@server:2222]:y.git', '[bridge@server:2222]:/srv/x.git'],
  ['https://server/y.git', 'ssh://<user>@<host>/srv/x.git'],
  ['/srv/y.git', 'ssh://<user>@<host>/srv/x.git'],
])('the right path of a bridge is told behind the login of our own address: %s', (url, remedy) => {
  const said = 'llm-bridge: no other path; try: ssh://<user>@<host>/srv/x.git';
  const error = classifyGitFailure(`fetch from ${url}`, `${said}${TAIL}`, url);
  expect(error.remedy).toBe(remedy);
});

test('a key that was refused, and too many keys before the right one, are mended by different things', () => {
  const remedyOf = (said: string) => classifyGitFailure('fetch from x', `${said}${TAIL}`).remedy;
  const closed = 'Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n';
  expect(remedyOf('bridge@server: Permission denied (publickey).\r\n')).toContain('key add');
  expect(remedyOf(closed)).toBe('name the key with --identity FILE: then ssh offers that one alone');
});

test.each([
  // Verbatim from git 2.39, on a file system of 64 kB.
  ['error: unable to write symref for HEAD: No space left on device\n', 'disk-full', /free some space/],
  ['fatal: not a valid object name main\n', 'git-failed', /git fsck/],
])('a git of ours that ends with %j is %s', (stderr, code, remedy) => {
  const result = { exitCode: 1, killedBy: null, endedFor: null, stdout: Buffer.alloc(0), stderr };
  const error = gitFailed(['init', '--bare'], result);
  expect(error).toMatchObject({ code, retryable: code === 'disk-full' });
  expect(error.message).toBe(`git init failed with exit code 1: ${stderr.trim()}`);
  expect(error.remedy).toMatch(remedy);
});
