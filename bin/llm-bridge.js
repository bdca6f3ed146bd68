#!/usr/bin/env node
// The command `llm-bridge`. It is no part of the build: npm packs and installs a package without dist/ in
// silence where `ignore-scripts` is set, and only what is there all the same can say so.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = new URL('../dist/cli/main.js', import.meta.url);
if (!standsSomewhere()) {
  process.stderr.write(
    'error: the folder in which you stand is gone, so no path can be read\ntry: cd, then run it again\n',
  );
  process.exitCode = 1;
} else if (existsSync(program)) {
  await import(program.href);
} else {
  const build = 'npm ci && npm run build';
  const remedy = existsSync(new URL('../src', import.meta.url))
    ? `in the checkout: ${build}`
    : `in a checkout of llm-bridge: ${build} && npm pack; then here: npm install -g ./git-llm-bridge-VERSION.tgz`;
  process.stderr.write(
    `error: this llm-bridge was packed without its build: ${fileURLToPath(program)} is missing\ntry: ${remedy}\n`,
  );
  process.exitCode = 1;
}

/** False where the working directory was removed under us: libraries throw then while they load. */
function standsSomewhere() {
  try {
    return process.cwd() !== '';
  } catch {
    return false;
  }
}
