/**
 * The post-receive hook, as a program: takes the answers that came in into answers.log. It cannot refuse anything any
 * more, so it always exits 0; what it could not do, the next run does. Then it starts who tells the executables in on-answer.d.
 */
import path from 'node:path';
import * as z from 'zod';
import { hookGitEnv } from '../git/git-env.js';
import { errorText } from '../protocol/bridge-error.js';
import { oneLine } from '../protocol/printable.js';
import { hookRepository } from './hook-repository.js';
import { ingest } from './ingest.js';
import { startDispatcher } from './on-answer/start-dispatcher.js';

// A schema that is used once or twice is not worth compiling.
z.config({ jitless: true });
void takeIn();

async function takeIn(): Promise<void> {
  try {
    const result = await ingest(hookRepository(process.cwd(), hookGitEnv(process.env)), { now: Date.now });
    if (result.added === 1) say(`llm-bridge: answer logged as no. ${result.lastSeq}`);
    if (result.added > 1)
      say(`llm-bridge: ${result.added} answers logged, the last as no. ${result.lastSeq}`);
  } catch (error) {
    say(
      `llm-bridge: accepted, but not logged yet: ${oneLine(errorText(error)).slice(0, 300)}; try: llm-bridge ingest`,
    );
  }
  // Whether or not something was added: a run that was killed may have added it, and told nobody. It lies beside this file.
  const dispatcher = path.join(path.dirname(process.argv[1] ?? ''), 'on-answer.cjs');
  await startDispatcher(dispatcher, process.cwd(), process.env);
}
/** One short line: a pusher that went away must never block this process on a full pipe. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
