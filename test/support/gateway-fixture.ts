import { join } from 'node:path';
import type { BackendUrls } from '../../src/agent/backends/backends.js';
import type { BridgeAccess } from '../../src/bridge/connection.js';
import { type StandIn, type StandInOptions, startStandIn } from '../../src/demo/stand-in/start-stand-in.js';
import { type Gateway, type GatewayOptions, openGateway } from '../../src/gateway/open-gateway.js';
import { createAgent } from '../../src/index.js';
import { onCleanup } from './on-cleanup.js';
import { type PlainBridge, startPlainBridge } from './plain-bridge.js';

/** A bridge with an agent, its model server and a gateway, all but git in this process. */
export interface GatewayFixture {
  readonly bridge: PlainBridge;
  readonly standIn: StandIn;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The lines that the gateway said. */
  readonly said: readonly string[];
  /** Starts the agent; it is stopped by what this returns, or at the end of the file. */
  startAgent(): () => Promise<void>;
  /** Ends the gateway and starts another one on the same bridge. */
  restart(): Promise<void>;
}

/** How the parts of the fixture differ from the usual. */
export interface GatewayFixtureOptions {
  readonly gateway?: Partial<GatewayOptions>;
  readonly standIn?: StandInOptions;
  /** The model servers of the agent instead of the stand-in. */
  readonly servers?: BackendUrls;
  /** How they reach another bridge. Default: both reach the plain one by its path. */
  readonly over?: { readonly gateway: BridgeAccess; readonly agent: BridgeAccess };
}

/** Starts them; the agent too, unless the test does so itself. */
export async function startGatewayFixture(
  options: GatewayFixtureOptions & { readonly withAgent?: boolean } = {},
): Promise<GatewayFixture> {
  const bridge = await startPlainBridge({ hooks: 'here for all' });
  const standIn = await startStandIn(options.standIn);
  onCleanup(() => standIn.close());
  const said: string[] = [];
  const beside: BridgeAccess = { repo: bridge.repoPath, env: bridge.env };
  const { over = { gateway: beside, agent: beside } } = options;
  const open = () =>
    openGateway({
      bridges: [{ name: 'bridge', access: over.gateway }],
      listen: { host: '127.0.0.1', port: 0 },
      waitMs: 120_000,
      lingerMs: 60_000,
      aliases: new Map(),
      allowedHosts: [],
      corsOrigins: [],
      say: (line) => said.push(line),
      ...options.gateway,
    });
  let gateway: Gateway = await open();
  onCleanup(() => gateway.close());
  const fixture: GatewayFixture = {
    bridge,
    standIn,
    get url() {
      return gateway.url;
    },
    said,
    startAgent() {
      const stop = new AbortController();
      const running = createAgent({
        ...over.agent,
        name: 'home-pc',
        stateDir: join(bridge.dir, 'state'),
        ...(options.servers ?? { ollamaUrl: standIn.ollamaUrl, lmstudioUrl: standIn.lmstudioUrl }),
        parallel: 4,
      }).run(stop.signal);
      const end = async () => {
        stop.abort();
        await running;
      };
      onCleanup(end);
      return end;
    },
    async restart() {
      await gateway.close();
      gateway = await open();
    },
  };
  if (options.withAgent ?? true) fixture.startAgent();
  return fixture;
}
