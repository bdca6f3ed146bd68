import { existsSync } from 'node:fs';
import type { TestProject } from 'vitest/node';

const HOOKS = ['dist/hooks/pre-receive.cjs', 'dist/hooks/post-receive.cjs'];
const PROGRAM = 'dist/cli/main.js';

/** vitest global setup: real hooks and the real program are run from `dist/`, so they have to be there. */
export function setup(project: TestProject): void {
  const needed = project.name === 'integration' ? HOOKS : [...HOOKS, PROGRAM];
  const missing = needed.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)));
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(', ')}: not built yet; run "npm run build" first, or "npm test", which does`,
    );
  }
}
