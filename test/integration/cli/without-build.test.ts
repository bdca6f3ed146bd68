import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cleanEnv } from '../../support/clean-env.js';
import { runProcess } from '../../support/run-process.js';
import { tempDir } from '../../support/temp-dir.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

test.each([
  [
    'a package',
    'in a checkout of llm-bridge: npm ci && npm run build && npm pack; then here: npm install -g ./git-llm-bridge-VERSION.tgz',
  ],
  ['a checkout', 'in the checkout: npm ci && npm run build'],
])('%s without its build says so, and what to do', async (what, remedy) => {
  const dir = await tempDir();
  for (const name of ['bin', 'package.json'])
    await cp(join(ROOT, name), join(dir, name), { recursive: true });
  if (what === 'a checkout') await mkdir(join(dir, 'src'));

  const started = await runProcess(process.execPath, [join(dir, 'bin/llm-bridge.js'), 'ask', '2+2'], {
    env: cleanEnv(dir),
    cwd: dir,
  });

  const missing = join(dir, 'dist/cli/main.js');
  expect(started).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: `error: this llm-bridge was packed without its build: ${missing} is missing\ntry: ${remedy}\n`,
  });
});
