import path from 'node:path';
import { gatewayFolder } from '../admin/gateway-folder.js';
import { announceGateway } from '../admin/running-gateways.js';
import { findTokenFile } from '../admin/token-file.js';
import { TokenKeeper } from '../admin/token-keeper.js';
import { cancelTask } from '../asker/cancel-task.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { readRef } from '../git/refs.js';
import { hidePasswords } from '../process/hide-passwords.js';
import { packageVersion } from '../process/own-package.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError, errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { createApp } from './app.js';
import { BatchCalls } from './batches/batch-calls.js';
import { BatchFiles } from './batches/batch-files.js';
import { Batches } from './batches/batches.js';
import { openCalls } from './bridge-calls.js';
import { type Aliases, bridgeModels } from './bridge-models.js';
import type { GatewayCall } from './gateway-parts.js';
import { openHealth } from './health.js';
import { openHttpServer } from './http-server.js';
import { gatewayName, isLoopback, type ListenAddress } from './listen-address.js';
import type { CallEvent } from './live-call.js';
import { openMetrics } from './metrics.js';
import { openPageData } from './page-data.js';
import { Responses } from './stored/responses.js';
import { writeAnswer } from './write-answer.js';

/** How a gateway is run. */
export interface GatewayOptions {
  readonly access: BridgeAccess;
  readonly listen: ListenAddress;
  /** How long a call waits for its answer. Milliseconds. */
  readonly waitMs: number;
  /** How long a task lives on whose last client has left. Milliseconds. */
  readonly lingerMs: number;
  readonly aliases: Aliases;
  readonly allowedHosts: readonly string[];
  readonly corsOrigins: readonly string[];
  /** Who asks, where no key says it. */
  readonly name?: string | undefined;
  /** Is told, in a line each, where it listens, and what goes wrong and is tried again. */
  readonly say: (line: string) => void;
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

/** The bodies of those: photos from some dozens of clients at once. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/**
 * Opens a bridge for HTTP clients. Throws BridgeError as openCalls and openHttpServer do, `usage` where it
 * would listen for other machines without tokens, and `token-file`.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { access, listen, say } = options;
  const tokenFile = await findTokenFile(access.repo, access.env);
  const tokens = new TokenKeeper(tokenFile);
  const isOpenToOthers = !isLoopback(listen);
  // Before anything listens, and also where they are not needed: a file that cannot be read is told at once.
  if (!tokens.isInUse && isOpenToOthers) throw needsTokens(listen, access.repo);
  const onProblem = (error: unknown) => say(`${oneLine(hidePasswords(problemText(error)))}`);
  const gateway = gatewayName(listen);
  const calls = await openCalls(access, {
    waitMs: options.waitMs,
    lingerMs: options.lingerMs,
    gateway,
    name: options.name,
    maxCalls: MAX_CALLS,
    onProblem,
  });
  try {
    if (!calls.view.terms.hasRequests) throw noRequests();
    const models = async () => bridgeModels(await calls.who(), calls.view.terms.serverNow(), options.aliases);
    const data = openPageData(calls, models);
    const tip = (await readRef(calls.view.repo, calls.view.ref)) ?? '';
    const metrics = openMetrics(calls, data.state, tip);
    const responses = new Responses(calls);
    const batchFolder = path.join(gatewayFolder(calls.view.connection.address), 'batches');
    const files = new BatchFiles(batchFolder);
    const batches = new Batches({
      bridge: { view: calls.view, submit: (what) => calls.submit(what), refresh: () => calls.refresh() },
      folder: batchFolder,
      gateway,
      asker: calls.asker,
      hasModel: (model) => calls.hasModel(model),
      modelOf: (model) => options.aliases.get(model) ?? model,
      pathOf: (id) => files.pathOf(id),
      onProblem,
    });
    const batchCalls = new BatchCalls(calls.view, files, batches);
    const answer = async (call: GatewayCall) => {
      const atMs = performance.now();
      const live = await calls.open({ ...call, signal: call.left });
      const first = () => metrics.firstEvent((performance.now() - atMs) / 1000);
      return writeAnswer(call.wantsStream ? { ...live, events: timed(live.events, first) } : live, call);
    };
    const app = createApp({
      answer: (call) => responses.create(call, answer),
      stored: (call) =>
        call.path.startsWith('/v1/responses/') ? responses.answer(call) : batchCalls.answer(call),
      models,
      health: openHealth(calls),
      metrics,
      page: {
        data,
        actions: {
          cancel: async (task) => void (await cancelTask(access, { task, ...named(options.name) })),
          nameOf: (token) => tokens.nameOf(token),
        },
      },
      aliases: options.aliases,
      doors: { ...options, tokens, isOpenToOthers },
      maxBodyBytes: async () => (await calls.terms()).maxTaskBytes,
      maxCalls: MAX_CALLS,
      maxHeldBytes: MAX_HELD_BYTES,
      version: packageVersion(),
      onProblem,
    });
    const server = await openHttpServer(app, listen);
    void batches.open();
    const folder = gatewayFolder(calls.view.connection.address);
    const sayGoodbye = await announceGateway(folder, { url: server.url, nowMs: Date.now() });
    return {
      url: server.url,
      async close() {
        await sayGoodbye();
        await server.close();
        await Promise.all([batches.close(), calls.close()]);
      },
    };
  } catch (error) {
    await calls.close();
    throw error;
  }
}

/** The same events; `first` is called at the first that goes to the client. */
async function* timed(events: AsyncIterable<CallEvent>, first: () => void): AsyncGenerator<CallEvent> {
  let isFirst = true;
  for await (const event of events) {
    if (isFirst && 'event' in event) {
      isFirst = false;
      first();
    }
    yield event;
  }
}

function named(name: string | undefined) {
  return name === undefined ? {} : { name };
}

/** Runs a gateway until the signal aborts. Throws as openGateway does. */
export async function runGateway(options: GatewayOptions, signal: AbortSignal): Promise<void> {
  const gateway = await openGateway(options);
  try {
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    options.say(`listening on ${gateway.url} for ${hidePasswords(options.access.repo)}`);
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

function noRequests(): BridgeError {
  return new BridgeError('this bridge does not know API calls yet', {
    code: 'older-bridge',
    remedy: 'update llm-bridge on the server, then run "llm-bridge init" there again',
  });
}
