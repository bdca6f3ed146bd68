import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { runCliHere } from '../../support/cli-here.js';
import { tempDir } from '../../support/temp-dir.js';

test('the help of a command is laid out where it is shown, and for nothing else', async () => {
  const measured = vi.spyOn(Intl.Segmenter.prototype, 'segment');
  const dir = await tempDir();
  const options = { env: cleanEnv(dir) };

  const ran = await runCliHere(['status', '--repo', join(dir, 'none.git')], options);
  expect(ran.stderr).toMatch(/^error: .*none\.git/);
  expect(measured).not.toHaveBeenCalled();

  const shown = await runCliHere(['status', '--help'], options);
  expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('--repo'), stderr: '' });
  expect(measured).toHaveBeenCalled();
});
