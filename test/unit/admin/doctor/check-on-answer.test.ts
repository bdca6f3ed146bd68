import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkOnAnswer } from '../../../../src/admin/doctor/check-on-answer.js';
import { onAnswerFolder } from '../../../../src/log/on-answer/folder.js';
import { caughtUpTo, onAnswerStateFolder, writeOnAnswerState } from '../../../../src/log/on-answer/state.js';
import { cleanEnv } from '../../../support/clean-env.js';
import { runProcess } from '../../../support/run-process.js';
import { tempDir } from '../../../support/temp-dir.js';

/** The words of a command, as a shell reads them. */
async function shellWords(command: string): Promise<string[]> {
  const { stdout } = await runProcess('sh', ['-c', `printf '%s\\n' ${command}`], { env: cleanEnv('/') });
  return stdout.trimEnd().split('\n');
}

test.skipIf(process.platform === 'win32')('a shell reads the paths in its remedies as they are', async () => {
  const gitDir = join(await tempDir(), "my bridge's copy.git");
  const folder = onAnswerFolder(gitDir);
  await mkdir(folder, { recursive: true });
  for (const name of ['fails', 'refused', 'sets-aside', 'unreadable']) {
    await writeFile(join(folder, name), '#!/bin/sh\n');
    await chmod(join(folder, name), name === 'refused' ? 0o777 : 0o755);
  }
  const failed = { failures: 2, last_error: 'exit code 1', next_try: '2026-11-27T03:00:00.000Z' };
  await writeOnAnswerState(gitDir, 'fails', { ...caughtUpTo(3), ...failed });
  const aside = { seq: 2, at: '2026-11-27T03:00:00.000Z', reason: 'exit code 3' };
  await writeOnAnswerState(gitDir, 'sets-aside', caughtUpTo(3, [aside]));
  const unreadable = join(onAnswerStateFolder(gitDir), 'unreadable.json');
  await writeFile(unreadable, 'half');

  const verdicts = await checkOnAnswer(gitDir);
  const remedies = Object.fromEntries(
    verdicts.map(({ text, remedy }) => [text.split(/ (?:failed|is|did)/)[0], remedy ?? '']),
  );

  expect(await shellWords(remedies.unreadable ?? '')).toEqual(['rm', unreadable]);
  expect(await shellWords(remedies.refused ?? '')).toEqual(['ls', '-l', folder]);
  const [mend = '', ingest = ''] = (remedies.fails ?? '').split('; then: ');
  expect(await shellWords(mend)).toEqual(['mend', join(folder, 'fails')]);
  expect(await shellWords(ingest)).toEqual(['llm-bridge', 'ingest', '--repo', gitDir]);
  const again = (remedies['sets-aside'] ?? '').split('; then: ')[1] ?? '';
  expect((await shellWords(again)).slice(2)).toEqual(['--again', 'sets-aside', '--repo', gitDir]);
});
