// Puts the command line into few files, in place of what tsc made of it. A command is started for every
// question of a bot, and Node takes 55 ms to find and read the 150 files of zod, yargs and ours one by one
// (Node alone: 16, a command: 130 to 210). What is loaded where it is needed stays a file of its own, and all
// other packages stay packages.
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const BUNDLED = ['zod', 'yargs'];

rmSync(`${root}dist/cli`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  // The second is started by an agent that has run for weeks, maybe: it has a name that another version has
  // as well.
  entryPoints: ['src/cli/main.ts', 'src/agent/generate/schema-worker.js'],
  entryNames: '[name]',
  outdir: 'dist/cli',
  bundle: true,
  splitting: true,
  external: Object.keys(dependencies).filter((name) => !BUNDLED.includes(name)),
  platform: 'node',
  target: 'node20',
  format: 'esm',
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
});
