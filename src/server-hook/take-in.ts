import path from 'node:path';
import { renewNode } from '../bridge/recorded-node.js';
import { sweepStreams } from '../bridge/stream-folder.js';
import { hookGitEnv } from '../git/git-env.js';
import type { Repository } from '../git/run-git.js';
import { type IngestOptions, ingest } from '../log/ingest.js';
import { startDispatcher } from '../log/on-answer/start-dispatcher.js';
import { errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { sweepLeftPipes } from './left-pipes.js';
import { hookRepository } from './read-principal.js';
import { startUpkeep } from './upkeep/start-upkeep.js';

/** The most characters of an internal error that are printed. */
const MAX_FAULT_CHARS = 300;

/**
 * The work after a push has moved main: adds the new answers to answers.log, sweeps what sessions have left,
 * then starts the dispatcher of on-answer.d, and the upkeep where there is much to pack. Returns the line to
 * print, empty where no answer came in. Never throws: the push cannot be refused any more, and the next run
 * does what failed now. `program` is the path of the running program; those that it starts are in the same
 * folder. `ready` holds what is already open and read.
 */
export async function takeIn(
  gitDir: string,
  env: NodeJS.ProcessEnv,
  program: string,
  ready: Pick<IngestOptions, 'settings' | 'reader' | 'lock'> = {},
): Promise<string> {
  // The stub has found this node after an update: the next push need not look for one.
  if (env.LLM_BRIDGE_NODE_FOUND === 'yes') await renewNode(gitDir).catch(() => {});
  const nowMs = Date.now();
  const sweeping = Promise.all([sweepStreams(gitDir, nowMs), sweepLeftPipes(gitDir, nowMs)]);
  const said = await ingestAloud(hookRepository(gitDir, hookGitEnv(env)), ready);
  // Even where nothing was added: a killed run may have added answers without starting the dispatcher.
  await sweeping;
  await startDispatcher(path.join(path.dirname(program), 'on-answer.cjs'), gitDir, env);
  startUpkeep(path.join(path.dirname(program), 'upkeep.cjs'), path.resolve(gitDir), env);
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
