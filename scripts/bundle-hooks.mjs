// Bundles each program of the server's side into one file. Every push starts two of them, and a single file
// without node_modules around it starts in 55 ms instead of 80 (Node alone: 40) and keeps working while the
// packages are being exchanged. CommonJS, because Node starts its loader for ES modules only where there is
// one: 2.5 ms.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  entryPoints: [
    'src/server-hook/pre-receive.ts',
    'src/server-hook/post-receive.ts',
    'src/server-hook/standby.ts',
    'src/server-hook/standby-work.ts',
    'src/server-hook/on-answer.ts',
    'src/server-hook/repair.ts',
    'src/server-hook/say-window.ts',
    'src/server-hook/upkeep.ts',
  ],
  outdir: 'dist/hooks',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
});
