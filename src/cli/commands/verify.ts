import type { CommandModule } from 'yargs';
import * as z from 'zod';
import type { Difference } from '../../log/verify-log.js';
import { shortId } from '../../protocol/names.js';
import { LOCAL_REPO_OPTION, localRepoSchema, readOptions } from '../options.js';
import { EXIT, type ExitState, printProblem } from '../print-error.js';

const argsSchema = z.object({ repo: localRepoSchema, json: z.boolean().default(false) });

/** `llm-bridge verify --repo R` */
export function verifyCommand(exit: ExitState): CommandModule {
  return {
    command: 'verify',
    describe: 'Hold answers.log against history, record by record',
    builder: (y) =>
      y
        .option('repo', LOCAL_REPO_OPTION)
        .option('json', { type: 'boolean', describe: 'Print one line of JSON' })
        .example('$0 verify --repo /srv/llm-bridge/bridge.git', 'exit code 1, and the first difference'),
    async handler(raw) {
      const args = readOptions(argsSchema, raw, 'verify');
      const [{ verifyLog }, { openLocalBridge }] = await Promise.all([
        import('../../log/verify-log.js'),
        import('../../bridge/local-bridge.js'),
      ]);
      const { repo } = await openLocalBridge(args.repo, { env: process.env, asOwner: false });
      const result = await verifyLog(repo);
      if (!result.ok) exit.code = EXIT.failed;
      if (args.json) {
        process.stdout.write(`${JSON.stringify(result)}\n`);
        return;
      }
      const { difference, records, answers, files, first_seq: first } = result;
      if (difference !== null) {
        printProblem(describe(difference), REMEDIES[difference.kind]);
        return;
      }
      const rotatedOut =
        first !== null && first > 1 ? `; no. 1 to ${first - 1} stand in no file any more` : '';
      const where = files.length > 1 ? ` in ${files.length} files` : '';
      process.stdout.write(
        `${records} records${where} say what the ${answers} answers on main say${rotatedOut}\n`,
      );
    },
  };
}

function describe({ seq, commit, file, line, what }: Difference): string {
  const which = [
    ...(seq === null ? [] : [`no. ${seq}`]),
    ...(commit === null ? [] : [`commit ${shortId(commit)}`]),
  ].join(', ');
  const where = file === null ? 'main' : `${file}${line === null ? '' : ` line ${line}`}`;
  return `${where}${which === '' ? '' : ` (${which})`}: ${what}`;
}

const REBUILD = '"llm-bridge ingest --rebuild" writes the log anew from history and keeps the old files';
const REMEDIES: Readonly<Record<Difference['kind'], string>> = {
  'not-logged': '"llm-bridge ingest" brings the log up to date',
  missing: REBUILD,
  repeated: REBUILD,
  changed: REBUILD,
  'no-record': REBUILD,
  'not-in-history': `find out whether main was set back; ${REBUILD}`,
  history: 'main was written past the hooks: find out by whom, and compare with the clone of an agent',
};
