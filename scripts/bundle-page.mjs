// Puts the page of the gateway into three files, which it serves as they are: the page loads nothing from
// elsewhere.
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
await build({
  absWorkingDir: root,
  entryPoints: ['src/gateway/page/page.ts'],
  outdir: 'dist/page',
  bundle: true,
  platform: 'browser',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  format: 'esm',
  minify: true,
  legalComments: 'eof',
  logLevel: 'warning',
});
copyFileSync(`${root}src/gateway/page/index.html`, `${root}dist/page/index.html`);
