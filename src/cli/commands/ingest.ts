import type { CommandModule } from 'yargs';
import * as z from 'zod';
import type { ExitState } from '../exit-state.js';
import { LOCAL_REPO_OPTION, localRepoSchema, readOptions } from '../options.js';

const argsSchema = z.object({ repo: localRepoSchema, json: z.boolean().default(false) });

/** `llm-bridge ingest --repo R` */
export function ingestCommand(_exit: ExitState): CommandModule {
  return {
    command: 'ingest',
    describe: 'Bring answers.log up to date with history, as the hook does',
    builder: (y) =>
      y
        .option('repo', LOCAL_REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'Print one line of JSON' })
        .example(
          '$0 ingest --repo /srv/llm-bridge/bridge.git',
          'after a crash, or when answers.log was moved away',
        ),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'ingest');
      const [{ ingest }, { openLocalBridge }] = await Promise.all([
        import('../../server-hook/ingest.js'),
        import('../../git/local-bridge.js'),
      ]);
      const { repo } = await openLocalBridge(args.repo, { env: process.env, asOwner: true });
      const { added, lastSeq, repairedBytes } = await ingest(repo, { now: Date.now });
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
