// Writes docs/settings.md from the table of options: npm run settings The table is TypeScript, which Node 20
// does not run, so it is bundled into one file first; the packages stay where they are.
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = `${root}dist-settings-${process.pid}.mjs`;
await build({
  absWorkingDir: root,
  entryPoints: ['src/cli/settings-page.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
});
try {
  const { settingsPage } = await import(outfile);
  writeFileSync(`${root}docs/settings.md`, await settingsPage());
} finally {
  rmSync(outfile, { force: true });
}
