import { type Repository, runGit } from '../../git/run-git.js';
import { shellQuote } from '../../process/shell-quote.js';
import { parseDurationMs } from '../../protocol/duration.js';
import { findWrongSettings } from '../repository-settings.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** They follow the largest message, and init writes them anew. Until then pushes cost a little more than they should. */
const FOLLOWING = ['core.bigFileThreshold', 'receive.maxInputSize'];

/** Looks whether the settings are as init writes them, and whether those that are the owner's to choose can be understood. */
export async function checkSettings(repo: Repository): Promise<Verdict[]> {
  const init = `llm-bridge init ${shellQuote(repo.gitDir)}`;
  const verdicts: Verdict[] = (await findWrongSettings(repo)).map(({ key, wanted, now }) => {
    const text = `${key} is ${now.length === 0 ? 'not set' : now.join(', ')}, and must be ${wanted.join(', ')}`;
    return now.length > 0 && FOLLOWING.includes(key)
      ? warning(`${text}, since bridge.maxTaskBytes or bridge.maxAnswerBytes was changed`, init)
      : broken(text, init);
  });
  const ttl = await read(repo, 'bridge.taskTtl');
  if (ttl !== null && parseDurationMs(ttl) === null) {
    verdicts.push(strange(repo, 'bridge.taskTtl', ttl, 'a time like 7d', '7d'));
  }
  for (const [key, usual] of [
    ['bridge.maxTaskBytes', '1048576'],
    ['bridge.maxAnswerBytes', '1048576'],
    ['bridge.receiveTimeout', '300'],
  ] as const) {
    const value = await read(repo, key);
    if (value !== null && !/^[1-9][0-9]{0,14}$/.test(value))
      verdicts.push(strange(repo, key, value, 'a whole number', usual));
  }
  return verdicts.length > 0 ? verdicts : [ok('as init writes them')];
}

function strange(repo: Repository, key: string, value: string, wanted: string, usual: string): Verdict {
  return warning(
    `${key} is ${JSON.stringify(value)}, which is not ${wanted}, so the usual one (${usual}) counts`,
    `git --git-dir ${shellQuote(repo.gitDir)} config ${key} ${usual}`,
  );
}

async function read(repo: Repository, key: string): Promise<string | null> {
  const result = await runGit(repo, ['config', '--local', '--get', key]);
  return result.exitCode === 0 ? result.stdout.toString('utf8').trim() : null;
}
