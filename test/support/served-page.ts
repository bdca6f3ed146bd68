import type { Browser } from 'playwright-core';
import { type StandIn, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { startAgentHere } from './agent-here.js';
import { type BridgeFixture, startBridgeFixture } from './bridge-fixture.js';
import { startBrowser } from './browser.js';
import { startCli } from './cli.js';
import { onCleanup } from './on-cleanup.js';

/** The page of the built `serve` on a bridge with an agent, and a browser to open it in. */
export interface ServedPage {
  readonly bridge: BridgeFixture;
  readonly standIn: StandIn;
  readonly browser: Browser;
  readonly url: string;
}

/** Starts all of it. `chromium` is the path of the browser. */
export async function startServedPage(chromium: string): Promise<ServedPage> {
  const bridge = await startBridgeFixture({ hooks: 'here' });
  const standIn = await startStandIn();
  onCleanup(() => standIn.close());
  const agent = await startAgentHere(bridge, standIn, { state: 'page' });
  await agent.waitFor('stderr', /connected to/);
  const serve = await startCli(['serve', '--repo', bridge.repoPath, '--listen', '127.0.0.1:0'], {
    env: bridge.ownerEnv,
  });
  const [, url = ''] = await serve.waitFor('stderr', /listening on (\S+)/);
  return { bridge, standIn, url, browser: await startBrowser(chromium) };
}
