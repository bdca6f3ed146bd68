import { ApiError } from '../api-errors.js';
import { BatchCalls } from '../batches/batch-calls.js';
import type { BatchFiles } from '../batches/batch-files.js';
import { firstModelIn } from '../batches/first-model.js';
import type { Aliases } from '../bridge-models.js';
import type { ServedBridge } from '../served-bridge.js';
import type { ServedBridges } from '../served-bridges.js';
import type { CallSpreader } from '../spread-calls.js';
import type { StoredCall } from './stored-call.js';

/** Makes the function that answers calls for responses, files and batches, on whichever bridge they are. */
export function openStoredCalls(
  served: ServedBridges,
  how: {
    readonly spreader: CallSpreader;
    readonly files: BatchFiles;
    readonly aliases: Aliases;
    readonly localOnly?: boolean | undefined;
  },
): (call: StoredCall) => Promise<Response> {
  const { spreader, files, aliases } = how;
  const placeOf = ({ calls, batches }: ServedBridge) => ({ view: calls.view, batches });
  const batchCalls = new BatchCalls(files, {
    all: () => served.open().map(placeOf),
    async forFile({ id }) {
      if (served.only !== null) return placeOf(served.only);
      // As OpenAI has it, a file names one model.
      const model = await firstModelIn(files.pathOf(id));
      const [bridge] = await spreader.bridgesFor(
        model === undefined ? undefined : (aliases.get(model) ?? model),
      );
      if (bridge === undefined) throw new Error('no bridge is the best for a batch');
      return placeOf(bridge);
    },
    localOnly: how.localOnly,
    notFound: (message) => served.notFound(message),
  });
  return (call) =>
    call.path.startsWith('/v1/responses/') ? answerResponse(served, call) : batchCalls.answer(call);
}

/** Answers a call below `/v1/responses/` on the bridge that has it. */
async function answerResponse(served: ServedBridges, call: StoredCall): Promise<Response> {
  if (served.only !== null) return await served.only.responses.answer(call);
  const id = call.path.split('/')[3] ?? '';
  const bridges = served.open();
  // The bridge that knows it without a fetch; else all are asked, which may fetch their whole history.
  const known = await Promise.all(bridges.map(({ responses }) => responses.holds(id).catch(() => false)));
  const here = bridges.filter((_, at) => known[at]);
  for (const { responses } of here.length > 0 ? here : bridges) {
    try {
      return await responses.answer(call);
    } catch (error) {
      const isElsewhere = error instanceof ApiError && error.status === 404;
      if (here.length > 0 || !isElsewhere) throw error;
    }
  }
  throw served.notFound(`Response with id '${id.slice(0, 80)}' not found.`);
}
