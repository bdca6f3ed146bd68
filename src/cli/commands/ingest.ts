import type { CommandModule } from 'yargs';
import * as z from 'zod';
import type { Repository } from '../../git/run-git.js';
import { LOCAL_REPO_OPTION, localRepoSchema, readOptions } from '../options.js';
import type { ExitState } from '../print-error.js';

const argsSchema = z.object({
  repo: localRepoSchema,
  json: z.boolean().default(false),
  rebuild: z.boolean().default(false),
});

/** So long those who are at work may take to end, where a killed git may have left a lock. Milliseconds. */
const REPAIR_WAIT_MS = 5_000;

/** `llm-bridge ingest --repo R` */
export function ingestCommand(_exit: ExitState): CommandModule {
  return {
    command: 'ingest',
    describe: 'Bring answers.log up to date with history, as the hook does',
    builder: (y) =>
      y
        .option('repo', LOCAL_REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'Print one line of JSON' })
        .option('rebuild', {
          type: 'boolean',
          describe: 'Write answers.log anew from history, whole, and keep the old files aside',
        })
        .example(
          '$0 ingest --repo /srv/llm-bridge/bridge.git',
          'after a crash, or when answers.log was moved away',
        )
        .example('$0 ingest --rebuild --repo /srv/llm-bridge/bridge.git', 'when "verify" found a difference'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'ingest');
      const [{ ingest }, { tellOnAnswer }, { openLocalBridge }, { repairBridge }] = await Promise.all([
        import('../../log/ingest.js'),
        import('../../log/catch-up-log.js'),
        import('../../bridge/local-bridge.js'),
        import('../../git/repair-bridge.js'),
      ]);
      const { repo } = await openLocalBridge(args.repo, { env: process.env, asOwner: true });
      for (const done of await repairBridge(repo, { waitMs: REPAIR_WAIT_MS, now: Date.now }))
        process.stderr.write(`${done}\n`);
      if (args.rebuild) return rebuild(repo, args.json);
      const { added, lastSeq, repairedBytes } = await ingest(repo, { now: Date.now });
      // Also where nothing was added: who runs this by a timer has those tried again that failed.
      await tellOnAnswer(repo);
      if (args.json) {
        process.stdout.write(
          `${JSON.stringify({ added, last_seq: lastSeq, repaired_bytes: repairedBytes })}\n`,
        );
        return;
      }
      const repaired =
        repairedBytes === 0 ? '' : `; ${repairedBytes} bytes of a torn line were moved to answers.log.torn`;
      process.stdout.write(`${added} added, ${lastSeq} in all${repaired}\n`);
    },
  };
}

async function rebuild(repo: Repository, asJson: boolean): Promise<void> {
  const { rebuildLog } = await import('../../log/rebuild-log.js');
  const { records, keptTimes, aside } = await rebuildLog(repo, { now: Date.now });
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ records, kept_times: keptTimes, aside })}\n`);
    return;
  }
  const lines = [
    `${records} written, ${keptTimes} of them with the time of the old log`,
    ...aside.map((file) => `kept aside: ${file}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
