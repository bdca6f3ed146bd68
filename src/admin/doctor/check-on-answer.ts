import path from 'node:path';
import { onAnswerFolder } from '../../log/on-answer/folder.js';
import { onAnswerStateFolder, reportOnAnswer } from '../../log/on-answer/state.js';
import { shellQuote } from '../../process/shell-quote.js';
import { ok, type Verdict, warning } from './finding.js';

/** Names the executables in `on-answer.d` that are not run, that fail, or that did not take a record. */
export async function checkOnAnswer(gitDir: string): Promise<Verdict[]> {
  const repo = shellQuote(gitDir);
  const folder = onAnswerFolder(gitDir);
  const reports = await reportOnAnswer(gitDir);
  const verdicts = reports.flatMap(({ name, state, reason, failures, set_aside: aside }): Verdict[] => {
    const why = reason ?? '';
    const found: Verdict[] = [];
    if (state === 'refused') found.push(warning(`${name} is not run: ${why}`, `ls -l ${shellQuote(folder)}`));
    if (state === 'failing' && failures === 0) {
      // Its state cannot be read.
      const file = path.join(onAnswerStateFolder(gitDir), `${name}.json`);
      found.push(warning(`${name} is not run: ${why}`, `rm ${shellQuote(file)}`));
    } else if (state === 'failing')
      found.push(
        warning(
          `${name} failed ${failures} times in a row: ${why}`,
          `mend ${shellQuote(path.join(folder, name))}; then: llm-bridge ingest --repo ${repo}`,
        ),
      );
    const last = aside.at(-1);
    if (last !== undefined) {
      const what =
        aside.length === 1 ? `record no. ${last.seq}` : `${aside.length} records, the last no. ${last.seq}`;
      found.push(
        warning(
          `${name} did not take ${what} (${last.reason})`,
          `mend it; then: llm-bridge ingest --again ${shellQuote(name)} --repo ${repo}`,
        ),
      );
    }
    return found;
  });
  if (verdicts.length > 0) return verdicts;
  return [
    ok(reports.length === 0 ? 'nothing is run for an answer' : `${reports.length} run for every answer`),
  ];
}
