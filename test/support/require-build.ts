import { existsSync } from 'node:fs';
import type { TestProject } from 'vitest/node';

const HOOKS = ['dist/hooks/pre-receive.cjs', 'dist/hooks/post-receive.cjs'];
const PROGRAM = 'dist/cli/main.js';

/** vitest global setup: tests run real hooks and the real program from `dist/`, so these must be built. */
export function setup(project: TestProject): void {
  const needed = project.name === 'integration' ? HOOKS : [...HOOKS, PROGRAM];
  const missing = needed.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)));
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(', ')}: not built yet; run "npm run build" first, or "npm test", which does`,
    );
  }
}
