import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { findSshd } from '../../src/demo/run-sshd.js';
import { logRecordSchema } from '../../src/protocol/log-record.js';
import { cleanEnv } from '../support/clean-env.js';
import { runCli, startCli } from '../support/cli.js';
import { gitOk } from '../support/git.js';
import { runProcess } from '../support/run-process.js';
import { tempDir } from '../support/temp-dir.js';
import { waitUntil } from '../support/wait-until.js';

/** Whether a real Ollama or LM Studio may be running here, which the demo would use. */
async function hasModelServer(): Promise<boolean> {
  const listens = (port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  return (await Promise.all([11434, 1234].map(listens))).includes(true);
}

/** The folder the demo makes lies in `dir`, so all its processes have that in their command lines. */
async function demoIn(): Promise<{ dir: string; env: Record<string, string> }> {
  const dir = await tempDir();
  return { dir, env: cleanEnv(dir, { TMPDIR: dir }) };
}

async function processesOf(dir: string): Promise<string[]> {
  const { stdout } = await runProcess('ps', ['-eo', 'pid=,args='], { env: cleanEnv(dir) });
  return stdout.split('\n').filter((line) => line.includes(dir));
}

test.each([
  ['over a real sshd', [], /^way: over a real sshd on this machine, ssh:\/\/\S+$/m],
  ['by the local path, with --local', ['--local'], /^way: by local path, as asked for/m],
] as const)(
  'the demo shows a whole bridge %s, and leaves a folder and no process',
  async (_way, args, way) => {
    if (args.length === 0) expect(await findSshd()).not.toBeNull();
    const { dir, env } = await demoIn();

    const { exitCode, stdout, stderr } = await runCli(['demo', ...args], { env });

    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(way);
    expect(stdout).toMatch(/^model: /m);
    expect(stdout).toMatch(/^question\n {2}2\+2$/m);
    const record = logRecordSchema.parse(JSON.parse(/^answers\.log\n {2}(\{.*\})$/m.exec(stdout)?.[1] ?? ''));
    expect(record).toMatchObject({ seq: 1, error: null, agent: 'home-pc' });
    const bridge = /^ {2}bridge +(\S+)$/m.exec(stdout)?.[1] ?? '';
    expect(bridge.startsWith(dir)).toBe(true);
    const history = await gitOk(['log', '--reverse', '--format=%h %an: %s'], { gitDir: bridge });
    expect(stdout).toContain(`git log\n${history.trimEnd().replace(/^/gm, '  ')}\n`);
    expect(history.split('\n')).toEqual([
      expect.any(String),
      expect.stringMatching(/ bot: ask: 2\+2$/),
      expect.stringMatching(/ home-pc: answer \w{8}: /),
      '',
    ]);
    if (!(await hasModelServer())) {
      expect(stdout).toMatch(/^model: none; .*stand-in/m);
      expect(stdout).toMatch(/^answer\n {2}4$/m);
      expect(record.answer).toBe('4');
    }
    expect(await processesOf(dir)).toEqual([]);
    expect(await readdir(join(bridge, '..'))).toContain('agent');
  },
);

test('a demo that is interrupted ends all it has started', async () => {
  const { dir, env } = await demoIn();
  const demo = await startCli(['demo'], { env });
  await demo.waitFor('stdout', /way: /);
  await waitUntil(async () => (await processesOf(dir)).some((line) => line.includes(' agent ')), 'the agent');

  demo.signal('SIGINT');

  expect((await demo.exited).exitCode).toBe(1);
  expect(demo.stderr()).toMatch(/^error: stopped by SIGINT\ntry: .*\n$/);
  await waitUntil(async () => (await processesOf(dir)).length === 0, 'its processes to end');
});

test('demo --serve leaves a gateway open, says what makes a client use it, and ends with Ctrl-C', async () => {
  const { dir, env } = await demoIn();
  const demo = await startCli(['demo', '--local', '--serve'], { env });
  const [, url = ''] = await demo.waitFor('stdout', /^the gateway is open until Ctrl-C: (http:\S+)$/m);
  const lines = await demo.waitFor('stdout', /^(?:export .*\n){3}/m);
  const variables = Object.fromEntries(
    [...lines[0].matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
  expect(variables).toMatchObject({
    OPENAI_BASE_URL: `${url}/v1`,
    ANTHROPIC_BASE_URL: url,
    OLLAMA_HOST: url,
  });
  const client = new OpenAI({ baseURL: variables.OPENAI_BASE_URL, apiKey: variables.OPENAI_API_KEY });
  const [model] = (await client.models.list()).data;
  const messages = [{ role: 'user' as const, content: '6 * 7' }];
  const { choices } = await client.chat.completions.create({ model: model?.id ?? '', messages });
  if (!(await hasModelServer())) expect(choices[0]?.message.content).toBe('42');

  demo.signal('SIGINT');

  expect(await demo.exited).toEqual({ exitCode: 0, signal: null });
  expect(await processesOf(dir)).toEqual([]);
});
