// Bundles each program of the server's side into one file. Every push starts two of them, and a single file without node_modules around
// it starts in 55 ms instead of 80 (Node alone: 40) and keeps working while the packages are being exchanged. CommonJS, because
// Node starts its loader for ES modules only where there is one: 2.5 ms.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Starting programs is a large part of Node (sockets and all), which a push of one answer needs last or not at all: it is loaded with the first
 * one that is started. 2 ms.
 */
const lazyChildProcess = {
  name: 'lazy-child-process',
  setup({ onResolve, onLoad }) {
    const namespace = 'lazy';
    onResolve({ filter: /^node:child_process$/ }, ({ path }) => ({ path, namespace }));
    onLoad({ filter: /.*/, namespace }, () => ({
      contents: "module.exports.spawn = (...args) => require('child_process').spawn(...args);",
    }));
  },
};

await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  entryPoints: [
    'src/server-hook/pre-receive.ts',
    'src/server-hook/post-receive.ts',
    'src/server-hook/standby.ts',
    'src/server-hook/standby-work.ts',
    'src/server-hook/on-answer.ts',
    'src/server-hook/repair.ts',
  ],
  outdir: 'dist/hooks',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  plugins: [lazyChildProcess],
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
});
