import { openLocalBridge } from '../../bridge/local-bridge.js';
import { type Difference, verifyLog } from '../../log/verify-log.js';
import { shortId } from '../../protocol/names.js';
import { defineCommand } from '../command.js';
import { OPTIONS } from '../options.js';
import { EXIT, printProblem } from '../print-error.js';

/** `llm-bridge verify --repo R` */
export const verifyCommand = defineCommand({
  options: [OPTIONS.localRepo, OPTIONS.json],
  examples: [['$0 verify --repo /srv/llm-bridge/bridge.git', 'exit code 1, and the first difference']],
  async run(args, { out, env }) {
    const { repo } = await openLocalBridge(args.repo, { env, asOwner: false });
    const result = await verifyLog(repo);
    const { difference, records, answers, files, first_seq: first } = result;
    if (args.json) await out.json(result);
    else if (difference !== null) printProblem(describe(difference), REMEDIES[difference.kind]);
    else {
      const rotatedOut =
        first !== null && first > 1 ? `; no. 1 to ${first - 1} stand in no file any more` : '';
      const where = files.length > 1 ? ` in ${files.length} files` : '';
      await out.print(`${records} records${where} say what the ${answers} answers on main say${rotatedOut}`);
    }
    return result.ok ? EXIT.done : EXIT.failed;
  },
});

function describe({ seq, commit, file, line, what }: Difference): string {
  const which = [
    ...(seq === null ? [] : [`no. ${seq}`]),
    ...(commit === null ? [] : [`commit ${shortId(commit)}`]),
  ].join(', ');
  const where = file === null ? 'main' : `${file}${line === null ? '' : ` line ${line}`}`;
  return `${where}${which === '' ? '' : ` (${which})`}: ${what}`;
}

const REBUILD = '"llm-bridge ingest --rebuild" writes the log again from history and keeps the old files';
const REMEDIES: Readonly<Record<Difference['kind'], string>> = {
  'not-logged': '"llm-bridge ingest" brings the log up to date',
  missing: REBUILD,
  repeated: REBUILD,
  changed: REBUILD,
  'no-record': REBUILD,
  'not-in-history': `find out whether main was set back; ${REBUILD}`,
  history: 'main was written past the hooks: find out by whom, and compare with the clone of an agent',
};
