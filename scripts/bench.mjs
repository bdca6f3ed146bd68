// The benchmark: npm run bench -- [--row NAME]… [--against DIR]… [--runs N] [--history N] [--seconds S]
// [--json | --markdown]
// It is TypeScript, which Node 20 does not run, so it is bundled into one file first; the packages stay
// where they are.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = `${root}dist-bench/bench-${process.pid}.mjs`;
await build({
  absWorkingDir: root,
  entryPoints: ['test/bench/main.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
});
try {
  await import(outfile);
} finally {
  rmSync(outfile, { force: true });
}
