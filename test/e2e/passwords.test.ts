import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BridgeAccess } from '../../src/bridge/connection.js';
import { startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { runGateway } from '../../src/gateway/open-gateway.js';
import { runCli } from '../support/cli.js';
import { serveOverHttp } from '../support/http-git.js';
import { onCleanup } from '../support/on-cleanup.js';
import { startPlainBridge } from '../support/plain-bridge.js';

// SECURITY.md: P32

const SECRET = 's3cret-word';

/** The command lines of all processes of this machine. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'latin1')];
      } catch {
        return [];
      }
    });
}

/** What a gateway of this bridge says until it listens. */
async function saidByGateway(access: BridgeAccess): Promise<string[]> {
  const said: string[] = [];
  const stop = new AbortController();
  const say = (line: string) => {
    said.push(line);
    stop.abort();
  };
  const rest = { waitMs: 1, lingerMs: 1, aliases: new Map(), allowedHosts: [], corsOrigins: [] };
  const listen = { host: '127.0.0.1', port: 0 };
  await runGateway({ ...rest, bridges: [{ name: 'bridge', access }], listen, say }, stop.signal);
  return said;
}

test.skipIf(process.platform !== 'linux')(
  'a password in --repo lets in, and stands in no output, log, folder name or command line',
  async () => {
    const bridge = await startPlainBridge();
    await bridge.pushOk(await bridge.writer.ask(await bridge.tip(), 'q'));
    const seen: string[] = [];
    const onRequest = () => seen.push(...commandLines().filter((line) => line.includes(SECRET)));
    const url = await serveOverHttp(bridge.dir, bridge.env, { basic: `some@body:${SECRET}`, onRequest });
    const repo = `${url.replace('://', `://some%40body:${SECRET}@`)}/bridge.git`;
    const wrong = repo.replace(SECRET, `${SECRET}-not`);
    const standIn = await startStandIn();
    onCleanup(standIn.close);
    const run = (args: readonly string[]) => runCli(args, { env: bridge.env });

    const status = await run(['status', '--json', '--repo', repo]);
    const list = await run(['list', '--repo', repo]);
    const doctor = await run(['doctor', '--json', '--role', 'asker', '--repo', repo]);
    const refused = await run(['status', '--repo', wrong]);
    const agent = await run(['agent', '--once', '--ollama-url', standIn.ollamaUrl, '--repo', wrong]);
    const service = await run(['service', 'install', 'agent', '--print', '--repo', repo]);
    const mistyped = await run(['status', '--repo', repo.replace('http', 'htp')]);
    const gateway = await saidByGateway({ repo, env: bridge.env });
    const backend = await run([
      'agent',
      '--repo',
      bridge.repoPath,
      '--ollama-url',
      `htp://me:${SECRET}@host`,
    ]);

    expect(status, status.stderr).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(status.stdout)).toMatchObject({ pending: [{ subject: expect.any(String) }] });
    expect(list, list.stderr).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(doctor.stdout)).toContainEqual(
      expect.objectContaining({ check: 'repository', status: 'ok' }),
    );
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(service.stderr).toMatch(/^error: the password in --repo is a secret/);
    expect([mistyped.exitCode, backend.exitCode]).toEqual([2, 2]);
    for (const { stdout, stderr } of [status, list, doctor, refused, agent, service, mistyped, backend])
      expect(stdout + stderr).not.toContain(SECRET);
    expect(gateway).toEqual([expect.stringMatching(/^listening on .* for http:\/\/…@127/)]);
    expect(seen).toEqual([]);
    const names = await readdir(bridge.dir, { recursive: true });
    expect(names.filter((name) => name.includes(SECRET) || name.includes('s3cret'))).toEqual([]);
    for (const name of names.filter((one) => one.endsWith('/config')))
      expect(await readFile(join(bridge.dir, name), 'utf8')).not.toContain(SECRET);
  },
);
