// Bundles each program of the server's side into one file. Every push starts two of them, and a single file without node_modules around
// it starts in 55 ms instead of 80 (Node alone: 40) and keeps working while the packages are being exchanged.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  entryPoints: [
    'src/server-hook/pre-receive.ts',
    'src/server-hook/post-receive.ts',
    'src/server-hook/on-answer.ts',
  ],
  outdir: 'dist/hooks',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  minifySyntax: true,
  legalComments: 'none',
  charset: 'utf8',
  // proper-lockfile is CommonJS and asks for Node's own modules by require, which an ES module does not have.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
