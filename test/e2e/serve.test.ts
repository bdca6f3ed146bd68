import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { beforeAll, expect, test } from 'vitest';
import { runCli, startCli } from '../support/cli.js';
import { startGatewayFixture } from '../support/gateway-fixture.js';
import { onCleanup } from '../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../support/plain-bridge.js';

let bridge: PlainBridge;
beforeAll(async () => {
  bridge = await startPlainBridge();
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'serve says on stderr where it listens, and %s ends it in good order',
  async (signal) => {
    const serve = await startCli(['serve', '--repo', bridge.repoPath, '--listen', '127.0.0.1:0'], {
      env: bridge.env,
    });
    const [, url = ''] = await serve.waitFor('stderr', /listening on (http:\/\/127\.0\.0\.1:\d+) for /);
    expect(await (await fetch(url)).text()).toBe('llm-bridge is running\n');
    const port = new URL(url).port;
    const second = await runCli(['serve', '--repo', bridge.repoPath, '--listen', port], { env: bridge.env });
    expect(second).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `error: cannot listen on 127.0.0.1:${port}: another program listens there\ntry: stop it, or take another port: --listen 127.0.0.1:${Number(port) + 1}\n`,
    });
    serve.signal(signal);
    expect(await serve.exited).toEqual({ exitCode: 0, signal: null });
    expect(serve.stdout()).toBe('');
  },
);

test('serve listens for other machines only with tokens', async () => {
  const serve = ['serve', '--repo', bridge.repoPath, '--listen', '0.0.0.0:0'];
  const refused = await runCli(serve, { env: bridge.env });
  expect([refused.exitCode, refused.stdout]).toEqual([2, '']);
  expect(refused.stderr).toContain(
    'error: other machines can call 0.0.0.0, and there is no token yet\ntry: llm-bridge token add NAME',
  );
  const { stdout } = await runCli(['token', 'add', 'bot', '--repo', bridge.repoPath], { env: bridge.env });
  const running = await startCli(serve, { env: bridge.env });
  const [, port] = await running.waitFor('stderr', /listening on http:\/\/0\.0\.0\.0:(\d+) for /);
  const call = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${port}/v1/models`, { headers });
  expect((await call({})).status).toBe(401);
  expect((await call({ authorization: `Bearer ${stdout.trim()}` })).status).toBe(200);
  expect(running.stderr()).not.toContain(stdout.trim());
});

test('a gateway that takes in a batch leaves it to the pushes of answers to run on-answer.d', async () => {
  const fixture = await startGatewayFixture({ withAgent: false });
  const { bridge } = fixture;
  const stopAgent = fixture.startAgent();
  // What a gateway starts is in the sandbox of its service, and has its variables. This one is handed on.
  const serve = await startCli(['serve', '--repo', bridge.repoPath, '--listen', '127.0.0.1:0'], {
    env: { ...bridge.env, LOGNAME: 'gateway' },
  });
  const [url] = await serve.waitFor('stderr', /http:\/\/127\.0\.0\.1:\d+/);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 });
  const ran = join(bridge.dir, 'ran');
  const taker = join(bridge.repoPath, 'bridge/on-answer.d/takes');
  await writeFile(taker, `#!/bin/sh\ncat >/dev/null\necho "\${LOGNAME:-push}" >>'${ran}'\n`);
  await chmod(taker, 0o700);
  onCleanup(() => rm(taker, { force: true }));
  const runs = async () => (await readFile(ran, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  const ask = (content: string) =>
    client.chat.completions.create({ model: 'llama3.2', messages: [{ role: 'user', content }] });
  await ask('1 + 10');
  await expect.poll(runs, { timeout: 30_000 }).toEqual(['push']);
  // The hook of one push was killed: its answer is not in the log.
  const hook = join(bridge.repoPath, 'hooks/post-receive');
  await chmod(hook, 0o644);
  await ask('1 + 11');
  await chmod(hook, 0o755);
  await stopAgent();

  const message = { role: 'user', content: '1 + 12' };
  const line = {
    ...{ custom_id: 'a', method: 'POST', url: '/v1/chat/completions' },
    body: { model: 'llama3.2', messages: [message] },
  };
  const file = await client.files.create({
    ...{ purpose: 'batch', file: await toFile(Buffer.from(JSON.stringify(line)), 'b.jsonl') },
  });
  const made = { endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
  await client.batches.create({ ...made, input_file_id: file.id });
  await expect.poll(async () => (await bridge.readLog()).split('\n').length, { timeout: 30_000 }).toBe(3);
  fixture.startAgent();

  await expect.poll(async () => (await runs()).length, { timeout: 30_000 }).toBe(3);
  expect(await runs()).toEqual(['push', 'push', 'push']);
});
