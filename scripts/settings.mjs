// Writes docs/settings.md from the table of options, and docs/requests.md from the lists of what API
// calls may have: npm run settings. The tables are TypeScript, which Node 20 does not run, so they are
// bundled first; the packages stay where they are.
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = `${root}dist-settings-${process.pid}.mjs`;
await build({
  absWorkingDir: root,
  stdin: {
    contents: `export { settingsPage } from './src/cli/settings-page.ts';
export { requestsPage } from './src/agent/requests/requests-page.ts';`,
    resolveDir: root,
    loader: 'ts',
  },
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
});
try {
  const { settingsPage, requestsPage } = await import(outfile);
  writeFileSync(`${root}docs/settings.md`, await settingsPage());
  writeFileSync(`${root}docs/requests.md`, requestsPage());
} finally {
  rmSync(outfile, { force: true });
}
