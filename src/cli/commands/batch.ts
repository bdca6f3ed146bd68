import { CANCELLED } from '../../gateway/batches/batch-head.js';
import { BatchIndex, type KnownBatch } from '../../gateway/batches/batch-index.js';
import {
  batchObject,
  batchStatus,
  factsOfKnown,
  isOpen,
  isOver,
} from '../../gateway/batches/batch-object.js';
import { batchResults } from '../../gateway/batches/batch-results.js';
import { giveUp } from '../../gateway/batches/take-in.js';
import { openToRead } from '../../log/catch-up-log.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { batchLine } from '../batch-words.js';
import { type CommandIo, defineCommand, defineGroup } from '../command.js';
import { openBatches, requireBatch } from '../open-batches.js';
import { worded } from '../option.js';
import { accessOf, SSH_OPTIONS } from '../options/bridge-options.js';
import { OPTIONS, POSITIONALS } from '../options.js';
import type { Output } from '../output.js';
import { EXIT, type ExitCode, printProblem } from '../print-error.js';
import { stopSignal } from '../stop-signal.js';

const JSON_LINE = worded(OPTIONS.json, 'One line of JSON a batch, in the form of the API');

const listCommand = defineCommand({
  options: [OPTIONS.repo, JSON_LINE, ...SSH_OPTIONS],
  examples: [['$0 batch list --repo /srv/llm-bridge/bridge.git', 'the newest first']],
  run: (args, { out, env }) =>
    reading(args, env, async (index, nowMs) => {
      for (const batch of index.all()) await printBatch(out, batch, args.json, nowMs);
      return EXIT.done;
    }),
});

const showCommand = defineCommand({
  positionals: [POSITIONALS.batch],
  options: [OPTIONS.repo, JSON_LINE, ...SSH_OPTIONS],
  examples: [['$0 batch show 3f2a1b9c --repo /srv/llm-bridge/bridge.git', 'how far it is']],
  run: (args, { out, env }) =>
    reading(args, env, async (index, nowMs) => {
      await printBatch(out, await requireBatch(index, args.batch), args.json, nowMs);
      return EXIT.done;
    }),
});

const resultsCommand = defineCommand({
  positionals: [POSITIONALS.batch],
  options: [OPTIONS.repo, OPTIONS.batchErrors, ...SSH_OPTIONS],
  examples: [
    ['$0 batch results 3f2a1b9c --repo /srv/llm-bridge/bridge.git > results.jsonl', 'what was answered'],
    ['$0 batch results 3f2a1b9c --errors --repo /srv/llm-bridge/bridge.git', 'what was not, and why'],
  ],
  run: (args, { out, env }) =>
    reading(args, env, async (index, nowMs, view) => {
      const batch = await requireBatch(index, args.batch);
      const kind = args.errors ? 'errors' : 'output';
      const status = batchStatus(factsOfKnown(batch), nowMs);
      // All of it is given up; what may still come was finished before, and is shown the next time.
      const isGivenUp = status === 'cancelling' && ![...batch.tasks.values()].some(isOpen);
      const isDone = isOver(status) || isGivenUp;
      // A request that still waits for its answer is no error yet.
      if (isDone || kind === 'output')
        for await (const line of batchResults(view, batch, kind)) await out.jsonLine(line.trimEnd());
      if (isDone) return EXIT.done;
      printProblem(`the batch is ${status}, and these are the results so far`, 'run the same again later');
      return EXIT.noAnswerYet;
    }),
});

const cancelCommand = defineCommand({
  positionals: [POSITIONALS.batch],
  options: [OPTIONS.repo, worded(OPTIONS.asker, 'Who cancels, where no key says it'), ...SSH_OPTIONS],
  examples: [['$0 batch cancel 3f2a1b9c --repo /srv/llm-bridge/bridge.git', 'what is answered stays']],
  async run(args, { out, env }) {
    const signal = stopSignal();
    const { calls, bridge, index } = await openBatches(accessOf(args, env), args.name, () => {});
    try {
      await index.refresh({ now: true });
      const batch = await requireBatch(index, args.batch);
      const status = batchStatus(factsOfKnown(batch), calls.view.terms.serverNow());
      if (isOver(status) && status !== 'cancelled')
        throw new BridgeError(`${batch.id} is ${status}, and is not cancelled any more`, {
          code: 'answered',
          remedy: `llm-bridge batch results ${batch.id}`,
        });
      await giveUp(bridge, index, { id: batch.id, reason: CANCELLED }, () => !signal.aborted);
      await out.print(`cancelled ${batch.id}`);
      return EXIT.done;
    } finally {
      await calls.close();
    }
  },
});

async function printBatch(out: Output, batch: KnownBatch, asJson: boolean, nowMs: number): Promise<void> {
  if (asJson) return out.json(batchObject(factsOfKnown(batch), nowMs));
  await out.print(batchLine(batch, nowMs));
}

/** Reads the batches of a bridge, as of now. */
async function reading(
  args: Parameters<typeof accessOf>[0],
  env: CommandIo['env'],
  work: (index: BatchIndex, nowMs: number, view: Awaited<ReturnType<typeof openToRead>>) => Promise<ExitCode>,
): Promise<ExitCode> {
  const view = await openToRead(accessOf(args, env), 'window');
  try {
    const index = new BatchIndex(view);
    await index.refresh({ now: true });
    return await work(index, view.terms.serverNow(), view);
  } finally {
    await view.close();
  }
}

/** `llm-bridge batch list|show|results|cancel` */
export const batchCommand = defineGroup({
  options: [OPTIONS.repo],
  examples: [
    ['$0 ask --batch night.jsonl --repo /srv/llm-bridge/bridge.git', 'prints the id of the batch'],
    ['$0 batch list --repo /srv/llm-bridge/bridge.git', 'the batches, from here and from serve'],
  ],
  commands: [
    { usage: 'list', describe: 'List the batches, the newest first', command: listCommand },
    { usage: 'show <batch>', describe: 'Show how far a batch is', command: showCommand },
    {
      usage: 'results <batch>',
      describe: 'Print the results of a batch as JSON lines',
      command: resultsCommand,
    },
    { usage: 'cancel <batch>', describe: 'Cancel what is not answered of a batch', command: cancelCommand },
  ],
});
