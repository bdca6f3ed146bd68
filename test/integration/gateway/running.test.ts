import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkGateway } from '../../../src/admin/doctor/check-gateway.js';
import { announceGateway } from '../../../src/admin/running-gateways.js';
import { findTokenFile } from '../../../src/admin/token-file.js';
import { addToken } from '../../../src/admin/tokens.js';
import { openGateway } from '../../../src/gateway/open-gateway.js';
import { runCliHere } from '../../support/cli-here.js';
import { onCleanup } from '../../support/on-cleanup.js';
import { type PlainBridge, startPlainBridge } from '../../support/plain-bridge.js';

let bridge: PlainBridge;
let folder: string;
beforeAll(async () => {
  bridge = await startPlainBridge();
  folder = join(bridge.repoPath, 'bridge');
});

async function open() {
  const gateway = await openGateway({
    bridges: [{ name: 'bridge', access: { repo: bridge.repoPath, env: bridge.env } }],
    listen: { host: '127.0.0.1', port: 0 },
    waitMs: 1000,
    lingerMs: 0,
    aliases: new Map(),
    allowedHosts: [],
    corsOrigins: [],
    say: () => {},
  });
  onCleanup(() => gateway.close());
  return gateway;
}

const gatewaysIn = async (text: string) => (JSON.parse(text) as { gateways: unknown }).gateways;

describe('a gateway that runs', () => {
  test('is shown by status, until it ends', async () => {
    const gateway = await open();
    const status = (...more: string[]) =>
      runCliHere(['status', '--repo', bridge.repoPath, ...more], { env: bridge.env });
    expect((await status()).stdout).toMatch(new RegExp(`gateway: ${gateway.url} since \\d{4}-`));
    expect(await gatewaysIn((await status('--json')).stdout)).toMatchObject([{ url: gateway.url }]);
    await gateway.close();
    expect(await gatewaysIn((await status('--json')).stdout)).toEqual([]);
  });

  test('is asked by doctor, which takes a wish for a token as an answer', async () => {
    expect(await checkGateway(folder, bridge.repoPath)).toMatchObject([
      { status: 'ok', text: 'no gateway runs here' },
    ]);
    const gateway = await open();
    expect(await checkGateway(folder, bridge.repoPath)).toMatchObject([
      { status: 'ok', text: `the gateway at ${gateway.url} answers, without tokens` },
    ]);
    await addToken(await findTokenFile(bridge.repoPath, bridge.env), 'bot', Date.now());
    expect(await checkGateway(folder, bridge.repoPath)).toMatchObject([
      { status: 'ok', text: `the gateway at ${gateway.url} answers, with 1 token` },
    ]);
    await writeFile(join(folder, 'tokens.json'), 'x');
    await expect(checkGateway(folder, bridge.repoPath)).rejects.toMatchObject({ code: 'token-file' });
    await rm(join(folder, 'tokens.json'));
  });
});

test('doctor finds a gateway that does not answer, and one that is gone without a goodbye', async () => {
  const other = join(bridge.dir, 'other');
  // A port of nobody: it was one of ours, and is closed.
  const gateway = await open();
  await gateway.close();
  await mkdir(other);
  await announceGateway(other, { url: gateway.url, nowMs: Date.now() });
  expect(await checkGateway(other, 'R')).toMatchObject([
    {
      status: 'broken',
      text: expect.stringContaining('does not answer'),
      remedy: expect.stringContaining('serve'),
    },
  ]);
  const [name = ''] = await readdir(join(other, 'gateways'));
  // The largest number that a process may have on Linux is below this one.
  const said = { url: gateway.url, pid: 2 ** 30, started_at: new Date().toISOString() };
  await writeFile(join(other, 'gateways', name), `${JSON.stringify(said)}\n`);
  expect(await checkGateway(other, 'R')).toMatchObject([
    { status: 'warning', text: expect.stringContaining('gone without a goodbye') },
  ]);
});
