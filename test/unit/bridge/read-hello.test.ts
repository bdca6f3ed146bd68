import { expect, test } from 'vitest';
import { judgeForcedCommand } from '../../../src/admin/doctor/check-login.js';
import { readHello, type SaidHello } from '../../../src/bridge/read-hello.js';
import { classifyGitFailure } from '../../../src/git/git-failure.js';
import type { Hello } from '../../../src/protocol/hello.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/names.js';

const HELLO: Hello = {
  ...{
    name: 'home-pc',
    role: 'agent',
    protocol: PROTOCOL_VERSION,
    time: '2026-11-22T12:00:00Z',
    task_ttl: '7d',
  },
  ...{ max_task_bytes: 1, max_answer_bytes: 1, features: [] },
};
const LINE = `${JSON.stringify(HELLO)}\n`;

test.each([
  ['nothing', LINE, null],
  ['a line', `Welcome to \u001b[1mthe server\n\n${LINE}`, 'Welcome to [1mthe server'],
  ['many lines', `\n${'x\n'.repeat(400)}${LINE}`, 'x'],
  ['a text without a line break', `Welcome! ${LINE}`, 'Welcome!'],
  ['something that looks like it', `{"name":"x"}\n${LINE}`, '{"name":"x"}'],
  ['a line of Windows', LINE.replace('\n', '\r\n'), null],
])('hello is found behind %s', (_what, stdout, printed) => {
  expect(readHello(stdout)).toEqual({ hello: HELLO, printed });
});

test('of another protocol the version alone is read, behind a print too', () => {
  const other = JSON.stringify({ says: 'anything', protocol: PROTOCOL_VERSION + 1 });
  expect(readHello(`Welcome\n${other}\n`)).toEqual({ other: PROTOCOL_VERSION + 1, printed: 'Welcome' });
});

test.each([
  ['where there is none', 'Welcome\n'],
  ['behind more than a start-up file prints', `${'x\n'.repeat(600)}${LINE}`],
  ['where it is cut', LINE.slice(0, -10)],
])('no hello is read %s', (_what, stdout) => {
  expect(readHello(stdout)).toBeNull();
});

const judge = (exitCode: number, stdout: string, stderr = '') => {
  const found: SaidHello[] = [];
  return { verdicts: judgeForcedCommand({ exitCode, stdout, stderr }, (one) => found.push(one)), found };
};

test('the doctor finds the key behind what the shell prints, and names the print with its remedy', () => {
  const { verdicts, found } = judge(0, `Welcome\n${LINE}`);
  expect(found).toMatchObject([{ hello: HELLO }]);
  expect(verdicts).toMatchObject([
    { status: 'ok', text: 'the key is home-pc' },
    {
      status: 'broken',
      text: expect.stringContaining('prints "Welcome"'),
      remedy: expect.stringContaining('~/.bashrc'),
    },
  ]);
});

test.each([
  ['a shell', 127, '', 'bash: line 1: bridge-hello: command not found\n'],
  ['a shell whose start-up file prints', 127, 'Welcome\n', ''],
  ['a shell of Windows', 1, '', "'bridge-hello' is not recognized as an internal or external command,\n"],
])(
  'the doctor says that the forced command is missing where %s has looked for it',
  (_what, code, out, err) => {
    expect(judge(code, out, err).verdicts).toMatchObject([
      { status: 'warning', text: expect.stringContaining('it lacks the forced command') },
    ]);
  },
);

test.each([
  [
    'another git host',
    1,
    '',
    "Hi you! You've successfully authenticated, but we do not provide shell access.\n",
  ],
  ['too much print', 0, 'Welcome\n'.repeat(600), ''],
  ['silence', 0, '', ''],
])('the doctor claims nothing of the forced command for %s', (_what, code, out, err) => {
  const { verdicts, found } = judge(code, out, err);
  expect(found).toEqual([]);
  expect(verdicts).toHaveLength(1);
  expect(verdicts[0]?.text).toMatch(/^bridge-hello is not answered as a bridge does: /);
  expect(verdicts[0]?.text).not.toContain('forced command');
});

test('a fetch or push that stumbles over the print says so in the words of git, with the remedy', () => {
  const said = 'fatal: protocol error: bad line length character: Welc\n';
  const error = classifyGitFailure('fetch from x', said);
  expect(error).toMatchObject({ code: 'noisy-shell', retryable: true });
  expect(error.message).toContain('bad line length character: Welc');
  expect(error.remedy).toContain('~/.bashrc');
});
