import path from 'node:path';
import { gatewayFolder } from '../admin/gateway-folder.js';
import { announceGateway } from '../admin/running-gateways.js';
import { findTokenFile } from '../admin/token-file.js';
import { TokenKeeper } from '../admin/token-keeper.js';
import { addToken } from '../admin/tokens.js';
import { parseAddress } from '../bridge/address.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { hidePasswords } from '../process/hide-passwords.js';
import { inTime } from '../process/in-time.js';
import { packageVersion } from '../process/own-package.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { answerCall } from './answer-call.js';
import { createApp } from './app.js';
import { BatchFiles } from './batches/batch-files.js';
import { type Aliases, type BridgeModel, modelsOfAll, withAliases } from './bridge-models.js';
import { openHttpServer } from './http-server.js';
import { gatewayName, isLoopback, type ListenAddress } from './listen-address.js';
import { scrapeAll } from './metrics.js';
import { openPageData } from './page-data.js';
import { openServedBridge, type ServedBridge } from './served-bridge.js';
import { ServedBridges } from './served-bridges.js';
import { CallSpreader } from './spread-calls.js';
import { openStoredCalls } from './stored/stored-calls.js';

/** How a gateway is run. */
export interface GatewayOptions {
  /**
   * The bridges that it serves, and what each is called; its tokens, and the files of batches, are kept with
   * the first.
   */
  readonly bridges: readonly NamedAccess[];
  readonly listen: ListenAddress;
  /** How long a call waits for its answer. Milliseconds. */
  readonly waitMs: number;
  /** How long a task lives on after its last client has left. Milliseconds. */
  readonly lingerMs: number;
  readonly aliases: Aliases;
  /** Whether no third party may read what is asked here. Default: as each call says. */
  readonly localOnly?: boolean | undefined;
  readonly allowedHosts: readonly string[];
  readonly corsOrigins: readonly string[];
  /** Who asks, where no key says it. */
  readonly name?: string | undefined;
  /** Is told, a line each, where it listens, and what goes wrong and is tried again. */
  readonly say: (line: string) => void;
}

/** A bridge, and what it is called beside others. */
export interface NamedAccess {
  readonly name: string;
  readonly access: BridgeAccess;
}

/** A gateway that runs. */
export interface Gateway {
  /** `http://127.0.0.1:11435` */
  readonly url: string;
  /** Ends all calls and the server. Tasks that are open stay open. */
  close(): Promise<void>;
}

/** The most calls that wait or are answered at once: some hundred programs, and memory for all of them. */
const MAX_CALLS = 1_000;

/** A bridge that does not say its models in this time is left out of a list. Milliseconds. */
const MODELS_MS = 3_000;

/** The most bytes of the bodies of these calls together: photos from some dozens of clients at once. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/**
 * Opens bridges for HTTP clients. Throws BridgeError as openCalls does where none of them can be opened, as
 * openHttpServer does, `usage` where it would listen for other machines without tokens, and `token-file`.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { bridges, listen, aliases, say } = options;
  const [first] = bridges;
  if (first === undefined) throw new Error('a gateway needs a bridge');
  const tokenFile = await findTokenFile(first.access.repo, first.access.env);
  const tokens = new TokenKeeper(tokenFile);
  const isOpenToOthers = !isLoopback(listen);
  // The tokens are read before anything listens, also where none is needed: a broken file is told at once.
  if (!tokens.isInUse && isOpenToOthers) throw needsTokens(listen, first.access.repo);
  const onProblem = (error: unknown, bridge: string | null = null) =>
    say(oneLine(hidePasswords(`${bridge === null ? '' : `${bridge}: `}${problemText(error)}`)));
  const folders = bridges.map(({ access }) => gatewayFolder(parseAddress(access.repo)));
  const files = new BatchFiles(path.join(folders[0] ?? '', 'batches'));
  const shared = {
    ...{ waitMs: options.waitMs, lingerMs: options.lingerMs, name: options.name, aliases, files },
    ...{ gateway: gatewayName(listen), maxCalls: MAX_CALLS },
  };
  const served = await ServedBridges.open(
    bridges.map(({ name, access }) => ({ name: bridges.length === 1 ? null : name, access })),
    (bridge, how) => openServedBridge(bridge, { ...shared, ...how }),
    onProblem,
  );
  try {
    const spreader = new CallSpreader(served);
    const models = async () => withAliases(await modelsOf(served), aliases);
    const data = openPageData(() => served.all(), models);
    const app = createApp({
      answer: (call) => answerCall(call, spreader),
      stored: openStoredCalls(served, { spreader, files, aliases, localOnly: options.localOnly }),
      models,
      localOnly: options.localOnly,
      health: () => served.health(),
      metrics: { scrape: () => scrapeAll(served.open().map(({ metrics }) => metrics)) },
      page: {
        data,
        actions: {
          cancel: async (task) => await (await served.ofTask(task)).cancel(task),
          nameOf: (token) => tokens.nameOf(token),
          makeToken: (name, madeBy) => addToken(tokenFile, name, Date.now(), madeBy),
        },
      },
      aliases,
      guards: { ...options, tokens, isOpenToOthers },
      maxBodyBytes: async () => Math.max(...(await Promise.all(served.open().map(maxTaskBytes)))),
      maxCalls: MAX_CALLS,
      maxHeldBytes: MAX_HELD_BYTES,
      version: packageVersion(),
      onProblem,
    });
    const server = await openHttpServer(app, listen);
    const said = { url: server.url, nowMs: Date.now() };
    const goodbyes = await Promise.all(folders.map((folder) => announceGateway(folder, said)));
    return {
      url: server.url,
      async close() {
        await Promise.all(goodbyes.map((sayGoodbye) => sayGoodbye()));
        await server.close();
        await served.close();
      },
    };
  } catch (error) {
    await served.close();
    throw error;
  }
}

async function maxTaskBytes({ calls }: ServedBridge): Promise<number> {
  return (await calls.terms()).maxTaskBytes;
}

/** The models of all bridges that can be read. */
async function modelsOf(served: ServedBridges): Promise<readonly BridgeModel[]> {
  if (served.only !== null) return await served.only.models();
  const lists = await Promise.all(
    served.open().map(async ({ name, models }) => {
      const said = await inTime(models(), MODELS_MS).catch(() => null);
      return said === null || name === null ? [] : [{ bridge: name, models: said.value }];
    }),
  );
  return modelsOfAll(lists.flat());
}

/** Runs a gateway until the signal aborts. Throws as openGateway does. */
export async function runGateway(options: GatewayOptions, signal: AbortSignal): Promise<void> {
  const gateway = await openGateway(options);
  try {
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    const repos = options.bridges.map(({ access }) => hidePasswords(access.repo));
    options.say(`listening on ${gateway.url} for ${repos.join(', ')}`);
    await stopped;
  } finally {
    await gateway.close();
  }
}

function problemText(error: unknown): string {
  return error instanceof BridgeError ? `${error.message}; ${error.remedy}` : errorText(error);
}

function needsTokens({ host }: ListenAddress, repo: string): BridgeError {
  return new BridgeError(`other machines can call ${host}, and there is no token yet`, {
    code: 'usage',
    remedy: `llm-bridge token add NAME --repo ${shellQuote(hidePasswords(repo))} first, or listen on 127.0.0.1`,
  });
}
