// Puts the command line into few files, in place of what tsc made of it. A command is started for every
// question of a bot, and Node takes 55 ms to find and read the 150 files of zod, yargs and ours one by one
// (Node alone: 16, a command: 130 to 210). Code that is imported only when it is needed stays a file of its
// own, and all other packages stay packages.
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const BUNDLED = ['zod', 'yargs'];

/**
 * To lay out a help, yargs loads `Intl.Segmenter` and its Unicode tables, to measure the columns of a text.
 * That takes a part of the time of `ask`, so the layout is loaded when a help is shown
 * (src/cli/run-cli.ts sees to it that it is laid out for nothing else).
 */
const lazyHelp = {
  name: 'lazy-help',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^(cliui|string-width)$/ }, ({ path, importer, kind }) =>
      kind === 'import-statement' && importer.includes('/yargs/') ? { path, namespace: 'lazy' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => ({
      contents: `export default (...args) => require('${path}').default(...args);`,
      resolveDir: `${root}node_modules/yargs`,
    }));
  },
};

rmSync(`${root}dist/cli`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  plugins: [lazyHelp],
  // The second is started by an agent that may have run for weeks, so it must have the same name in every
  // version.
  entryPoints: ['src/cli/main.ts', 'src/agent/format/schema-worker.js'],
  entryNames: '[name]',
  outdir: 'dist/cli',
  bundle: true,
  splitting: true,
  external: Object.keys(dependencies).filter((name) => !BUNDLED.includes(name)),
  platform: 'node',
  target: 'node20',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
});
