// Runs the suite's smoke on other versions of Node: npm run test:nodes -- [22 24 …]
// npm's package `node` carries them. Each is installed into a temporary folder, which is removed in the end.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/**
 * The tests that break first where Node changes: the units, the installed package, and each program once.
 */
const SMOKE = [
  'test/unit',
  'test/integration/cli',
  'test/integration/gateway/clients.test.ts',
  'test/integration/hooks/find-node.test.ts',
  ...['agent-stop', 'ask-requests', 'demo', 'five-minutes', 'gateway', 'join', 'package', 'requests'].map(
    (name) => `test/e2e/${name}.test.ts`,
  ),
  ...['serve', 'stream'].map((name) => `test/e2e/${name}.test.ts`),
];

// The tests have a home of their own, where npm does not find the certificates that this machine trusts.
const cafile = spawnSync('npm', ['config', 'get', 'cafile'], { encoding: 'utf8' }).stdout.trim();
const trust = existsSync(cafile) ? { npm_config_cafile: cafile } : {};

const asked = process.argv.slice(2);
const versions = asked.length > 0 ? asked : ['22', '24'];
const wrong = versions.find((version) => !/^[0-9]{2}(?:\.[0-9.]+)?$/.test(version));
if (wrong !== undefined) {
  console.error(`error: ${wrong} is no version of Node\ntry: npm run test:nodes -- 22 24`);
  process.exit(2);
}
const failed = versions.filter((version) => !passes(version));
console.log(
  `\nNode ${versions.join(', ')}: ${failed.length === 0 ? 'passed' : `failed on ${failed.join(', ')}`}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

function passes(version) {
  const dir = mkdtempSync(join(tmpdir(), `node-${version}-`));
  // Other users run it, too: an owner of a bridge whom `init --system` makes.
  chmodSync(dir, 0o755);
  try {
    const install = ['install', '--no-audit', '--no-fund', '--no-save', '--prefix', dir, `node@${version}`];
    const { status } = spawnSync('npm', install, { stdio: ['ignore', 'ignore', 'inherit'] });
    const node = join(dir, 'node_modules/node/bin/node');
    if (status !== 0 || !existsSync(node)) {
      console.error(`error: npm cannot install Node ${version}\ntry: npm view node versions`);
      return false;
    }
    console.log(`\n# ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
    // A program that starts `node` by itself, as npm does, finds the same one.
    const path = [dirname(node), process.env.PATH].join(delimiter);
    const args = ['node_modules/vitest/vitest.mjs', 'run', ...SMOKE];
    return (
      spawnSync(node, args, { stdio: 'inherit', env: { ...process.env, ...trust, PATH: path } }).status === 0
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
