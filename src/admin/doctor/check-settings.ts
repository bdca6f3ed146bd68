import { readLocalConfig } from '../../git/porcelain.js';
import type { Repository } from '../../git/run-git.js';
import { shellQuote } from '../../process/shell-quote.js';
import { parseDurationMs } from '../../protocol/duration.js';
import { DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_TASK_BYTES } from '../../protocol/limits.js';
import { findWrongSettings } from '../apply-settings.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/**
 * These settings depend on the largest message, and init writes them again after a change of that. Until
 * then pushes cost a little more than they should.
 */
const FOLLOWING = ['core.bigFileThreshold', 'receive.maxInputSize'];

/**
 * Checks whether the settings are as init writes them, and whether the owner's own settings have valid
 * values.
 */
export async function checkSettings(repo: Repository): Promise<Verdict[]> {
  const init = `llm-bridge init ${shellQuote(repo.gitDir)}`;
  const verdicts: Verdict[] = (await findWrongSettings(repo)).map(({ key, wanted, now }) => {
    const text = `${key} is ${now.length === 0 ? 'not set' : now.join(', ')}, and must be ${wanted.join(', ')}`;
    return now.length > 0 && FOLLOWING.includes(key)
      ? warning(`${text}, since bridge.maxTaskBytes or bridge.maxAnswerBytes was changed`, init)
      : broken(text, init);
  });
  const all = await readLocalConfig(repo);
  const read = (key: string) => all.get(key.toLowerCase())?.at(-1);
  const ttl = read('bridge.taskTtl');
  if (ttl !== undefined && parseDurationMs(ttl) === null) {
    verdicts.push(
      strange(repo, { key: 'bridge.taskTtl', value: ttl, wanted: 'a time like 7d', usual: '7d' }),
    );
  }
  for (const [key, usual] of [
    ['bridge.maxTaskBytes', String(DEFAULT_MAX_TASK_BYTES)],
    ['bridge.maxAnswerBytes', String(DEFAULT_MAX_ANSWER_BYTES)],
    ['bridge.receiveTimeout', '300'],
  ] as const) {
    const value = read(key);
    if (value !== undefined && !/^[1-9][0-9]{0,14}$/.test(value))
      verdicts.push(strange(repo, { key, value, wanted: 'a whole number', usual }));
  }
  return verdicts.length > 0 ? verdicts : [ok('as init writes them')];
}

function strange(
  repo: Repository,
  { key, value, wanted, usual }: Readonly<Record<'key' | 'value' | 'wanted' | 'usual', string>>,
): Verdict {
  return warning(
    `${key} is ${JSON.stringify(value)}, which is not ${wanted}, so the usual one (${usual}) counts`,
    `git --git-dir ${shellQuote(repo.gitDir)} config ${key} ${usual}`,
  );
}
