import path from 'node:path';
import { hookGitEnv } from '../git/git-env.js';
import type { Repository } from '../git/run-git.js';
import { type IngestOptions, ingest } from '../log/ingest.js';
import { startDispatcher } from '../log/on-answer/start-dispatcher.js';
import { errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { hookRepository } from './read-principal.js';

/** How much is told of what kept answers out of the log. */
const MAX_FAULT_CHARS = 300;

/**
 * What is done after a push has moved main: takes the answers that came in into answers.log, then starts who tells the executables in
 * on-answer.d. Answers the line to say, which is empty where nothing came in. Never throws: nothing can be refused any more, and what
 * could not be done now, the next run does. `program` is the path of the running one; the dispatcher lies beside it. `ready` is what is open and
 * read already.
 */
export async function takeIn(
  gitDir: string,
  env: NodeJS.ProcessEnv,
  program: string,
  ready: Pick<IngestOptions, 'settings' | 'reader' | 'lock'> = {},
): Promise<string> {
  const said = await ingestAloud(hookRepository(gitDir, hookGitEnv(env)), ready);
  // Whether or not something was added: a run that was killed may have added it, and told nobody.
  await startDispatcher(path.join(path.dirname(program), 'on-answer.cjs'), gitDir, env);
  return said;
}

async function ingestAloud(
  repo: Repository,
  ready: Pick<IngestOptions, 'settings' | 'reader' | 'lock'>,
): Promise<string> {
  try {
    const { added, lastSeq } = await ingest(repo, { now: Date.now, ...ready });
    if (added === 0) return '';
    return added === 1
      ? `llm-bridge: answer logged as no. ${lastSeq}`
      : `llm-bridge: ${added} answers logged, the last as no. ${lastSeq}`;
  } catch (error) {
    const text = oneLine(errorText(error)).slice(0, MAX_FAULT_CHARS);
    return `llm-bridge: accepted, but not logged yet: ${text}; try: llm-bridge ingest`;
  }
}
