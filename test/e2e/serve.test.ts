import { beforeAll, expect, test } from 'vitest';
import { runCli, startCli } from '../support/cli.js';
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
