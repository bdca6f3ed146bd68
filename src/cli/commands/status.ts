import { setTimeout as sleep } from 'node:timers/promises';
import type { BridgeStatus } from '../../admin/bridge-status.js';
import { followStatus, type StatusOptions } from '../../admin/follow-status.js';
import { BridgeError, errorText } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import { defineCommand } from '../command.js';
import { formatStatus } from '../format-status.js';
import { type NamedAccess, namedAccessesOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS } from '../options.js';
import type { Output } from '../output.js';
import { EXIT, type ExitCode, printError } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

/** One of several bridges that cannot be read is tried again after this time. Milliseconds. */
const AGAIN_MS = 10_000;

/** How many of the tasks that wait a person is shown, the first ones; the others are counted. */
const SHOWN_PENDING = 20;

/** `llm-bridge status --repo R` */
export const statusCommand = defineCommand({
  options: [OPTIONS.repos, OPTIONS.json, OPTIONS.watch, ...SSH_OPTIONS],
  examples: [
    ['$0 status --repo /srv/llm-bridge/bridge.git', 'on the server, as the owner'],
    ['$0 status --watch --repo /srv/llm-bridge/bridge.git', 'to keep an eye on it'],
    ['$0 status --repo ssh://bridge@server/srv/llm-bridge/bridge.git', 'from elsewhere, with a key'],
    ['$0 status --repo home --repo club', 'of two bridges, by the names that join gave them'],
  ],
  async run(args, { out, env }) {
    const bridges = namedAccessesOf(args, env);
    const until = args.watch ? stopSignal() : null;
    const [only, ...others] = bridges;
    if (only !== undefined && others.length === 0) {
      for await (const status of followStatus(only.access, { until, ...shown(args.json) })) {
        if (args.json) await out.json(status);
        else await (args.watch ? out.redraw(formatStatus(status)) : out.print(formatStatus(status)));
      }
      return EXIT.done;
    }
    if (until === null) return await printAll(bridges, args.json, out);
    return await watchAll(bridges, { isJson: args.json, out, until });
  },
});

/** A person sees at a glance which are next; programs get all. */
function shown(isJson: boolean): Pick<StatusOptions, 'shownPending'> {
  return isJson ? {} : { shownPending: SHOWN_PENDING };
}

/** Reads all at the same time, then prints them in their order. One that cannot be read is reported. */
async function printAll(bridges: readonly NamedAccess[], isJson: boolean, out: Output): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const reads = bridges.map(async ({ access }) => {
    for await (const status of followStatus(access, { until: null, ...shown(isJson) })) return { status };
    throw new Error('there was no status');
  });
  for (const [at, read] of (await Promise.allSettled(reads)).entries()) {
    if (read.status === 'fulfilled') {
      const { status } = read.value;
      await (isJson ? out.json(status) : out.print(formatStatus(status)));
    } else code = printError(ofBridge(read.reason, bridges[at]?.name ?? ''));
  }
  return code;
}

/**
 * Shows all, and again whenever one of them has changed, until the signal aborts. Where the output is JSON,
 * a problem of one goes to standard error, once.
 */
async function watchAll(
  bridges: readonly NamedAccess[],
  { isJson, out, until }: { readonly isJson: boolean; readonly out: Output; readonly until: AbortSignal },
): Promise<ExitCode> {
  const texts = bridges.map(({ name }) => `${name}\n  …\n`);
  let last: Promise<void> = Promise.resolve();
  const show = (at: number, text: string, status: BridgeStatus | null) => {
    texts[at] = text;
    last = last.then(async () => {
      if (!isJson) await out.redraw(texts.join('\n'));
      else if (status !== null) await out.json(status);
    });
    return last;
  };
  await Promise.all(
    bridges.map(async ({ name, access }, at) => {
      let told = '';
      while (!until.aborted) {
        try {
          for await (const status of followStatus(access, { until, ...shown(isJson) })) {
            told = '';
            await show(at, formatStatus(status), status);
          }
        } catch (error) {
          if (error instanceof BridgeError && error.code === 'output-closed') throw error;
          const text = oneLine(errorText(error));
          if (isJson && told !== text) printError(ofBridge(error, name));
          told = text;
          await show(at, `${name}\n  ${text}\n`, null);
          await sleep(AGAIN_MS, undefined, { signal: until }).catch(() => {});
        }
      }
    }),
  );
  return EXIT.done;
}

/** The same error, with the name of the bridge. */
function ofBridge(error: unknown, name: string): unknown {
  if (!(error instanceof BridgeError)) return error;
  const { code, remedy, retryable } = error;
  return new BridgeError(`${name}: ${error.message}`, { code, remedy, retryable, cause: error });
}
