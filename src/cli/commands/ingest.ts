import { renewHooks } from '../../admin/renew-hooks.js';
import { openLocalBridge } from '../../bridge/local-bridge.js';
import { repairBridge } from '../../git/repair-bridge.js';
import type { Repository } from '../../git/run-git.js';
import { sweepDoneClaims, tellOnAnswer } from '../../log/catch-up-log.js';
import { ingest } from '../../log/ingest.js';
import { askAgain } from '../../log/on-answer/state.js';
import { rebuildLog } from '../../log/rebuild-log.js';
import { defineCommand } from '../command.js';
import { INGEST_OPTIONS } from '../options.js';
import type { Output } from '../output.js';
import { EXIT, printNote } from '../print-error.js';

/** `llm-bridge ingest --repo R` */
export const ingestCommand = defineCommand({
  options: INGEST_OPTIONS,
  examples: [
    ['$0 ingest --repo /srv/llm-bridge/bridge.git', 'after a crash, or when answers.log was moved away'],
    ['$0 ingest --rebuild --repo /srv/llm-bridge/bridge.git', 'when "verify" found a difference'],
    ['$0 ingest --again telegram --repo /srv/llm-bridge/bridge.git', 'once on-answer.d/telegram is mended'],
  ],
  async run(args, { out, env }) {
    const { repo } = await openLocalBridge(args.repo, { env, asOwner: true });
    for (const done of await repairBridge(repo)) printNote(done);
    for (const done of await renewHooks(repo.gitDir)) printNote(done);
    await sweepDoneClaims(repo, Date.now()).catch(() => {});
    if (args.again !== undefined) await askAgain(repo.gitDir, args.again);
    if (args.rebuild) await rebuild(repo, args.json, out);
    else await catchUp(repo, args.json, out);
    return EXIT.done;
  },
});

async function catchUp(repo: Repository, asJson: boolean, out: Output): Promise<void> {
  const { added, lastSeq, repairedBytes } = await ingest(repo, { now: Date.now });
  // Also where nothing was added: an ingest that a timer starts is what tries failed executables again.
  await tellOnAnswer(repo);
  if (asJson) return out.json({ added, last_seq: lastSeq, repaired_bytes: repairedBytes });
  const repaired =
    repairedBytes === 0 ? '' : `; ${repairedBytes} bytes of a torn line were moved to answers.log.torn`;
  await out.print(`${added} added, ${lastSeq} in all${repaired}`);
}

async function rebuild(repo: Repository, asJson: boolean, out: Output): Promise<void> {
  const { records, keptTimes, aside } = await rebuildLog(repo, { now: Date.now });
  if (asJson) return out.json({ records, kept_times: keptTimes, aside });
  const lines = [
    `${records} written, ${keptTimes} of them with the time of the old log`,
    ...aside.map((file) => `kept aside: ${file}`),
  ];
  await out.print(lines.join('\n'));
}
