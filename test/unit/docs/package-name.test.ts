import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// `llm-bridge` in npm's registry is somebody else's package, and ours is in no registry: whatever installs
// it there by name installs, as root maybe, what a stranger wrote. Only the file that `npm pack` makes is
// ours.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const NOT_OURS = new Set(['node_modules', 'dist', 'dist-bench', 'coverage', '.git']);
const THIS_TEST = 'test/unit/docs/package-name.test.ts';
/** Licences of others, checksums and pictures say nothing to a reader. */
const READ = /(?:\.(?:[cm]?[jt]s|json|md|ya?ml|sh|toml)|^[^.]+|^\.[a-z]+)$/;

/** The stranger's name: neither `git-llm-bridge`, nor a part of a path, a host or another word. */
const NAME = '(?<![\\w./\\\\@-])(?:npm:)?llm-bridge(?![\\w-])';
/** Ours, where it is not that of a file: npm would look for it in the registry. */
const BY_NAME = '(?<![\\w./\\\\@-])(?:git-)?llm-bridge(?![\\w/-])';
const MANAGER = '\\b(?:npm|npx|pnpm|pnpx|yarn|bunx?|corepack|deno)\\b';

const BANNED: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a package manager that fetches it by name', new RegExp(`${MAKE_LINE(MANAGER)}${BY_NAME}`)],
  ['an update of all that is installed, by name', /\bnpm (?:up|update|upgrade)\b/],
  ['a version or tag in the registry', /llm-bridge@/],
  [
    'an import of it',
    new RegExp(`(?:\\bfrom|\\bimport|\\brequire|\\bresolve)\\s*\\(?\\s*['"\`]${NAME}[/'"\`]`),
  ],
  ['a folder that npm makes for it', /node_modules[\\/]llm-bridge\b/],
  ['a tarball of it', /(?<![\w-])llm-bridge-(?:\d|VERSION|<)[\w.<>-]*\.tgz/],
  [
    'a page of the registry',
    /(?:npmjs\.(?:org|com)|unpkg\.com|jsdelivr\.net\/npm|esm\.sh)\/(?:\S*\/)?llm-bridge\b/,
  ],
  ['a dependency on it', new RegExp(`["']${NAME}["']\\s*:\\s*["'](?:[\\^~]?\\d|file:|latest|\\*)`)],
  // With `ignore-scripts` npm packs what is there, without a word: a package without its program.
  ['a pack without its build', /(?<!npm run build |\$\{build\} )&& npm pack/i],
  ['a package of that name', new RegExp(`"name"\\s*:\\s*"${NAME}"`)],
];

/** The command and its arguments, to the end of the sentence or of the command. */
function MAKE_LINE(command: string): string {
  return `${command}(?: [^\\n;&|,:()\`"']*?)? `;
}

/** Each line of `text` that names the package of a stranger, and how. */
function strangersIn(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) =>
      BANNED.filter(([, pattern]) => pattern.test(line)).map(([what]) => `${what}: ${line.trim()}`),
    );
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const nested = entries
    .filter((entry) => !NOT_OURS.has(entry.name))
    .map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesIn(path);
      return entry.isFile() && READ.test(entry.name) ? [path] : [];
    });
  return (await Promise.all(nested)).flat();
}

test('no file of the repository names a package that is not ours, or is packed without its build', async () => {
  const files = (await filesIn('')).filter((file) => file !== THIS_TEST);
  for (const place of [
    'README.md',
    'package.json',
    'hooks/ssh-command',
    '.github/workflows/ci.yml',
    '.ci/run',
  ])
    expect(files).toContain(place);
  const found = await Promise.all(
    files.map(async (file) =>
      strangersIn(await readFile(join(root, file), 'utf8')).map((one) => `${file}: ${one}`),
    ),
  );
  expect(found.flat()).toEqual([]);
});

test.each([
  'npm install -g llm-bridge@latest on the server',
  'npm i llm-bridge',
  'npm install -g git-llm-bridge',
  'npm install --prefix /opt/bridge llm-bridge',
  'sudo npm update -g',
  'npx llm-bridge demo',
  'npx --yes llm-bridge',
  'pnpm add llm-bridge',
  "import { ask } from 'llm-bridge';",
  "import { ask } from 'llm-bridge/dist/index.js';",
  "const { ask } = await import('llm-bridge');",
  'const bridge = require("llm-bridge")',
  '  "llm-bridge": "^0.1.0",',
  '  "name": "llm-bridge",',
  'npm install -g ./llm-bridge-0.1.0.tgz',
  'https://www.npmjs.com/package/llm-bridge',
  '/usr/lib/node_modules/llm-bridge/dist',
  'npm ci && npm pack',
])('%s would be found', (line) => {
  expect(strangersIn(line)).not.toEqual([]);
});

test.each([
  'npm install -g ./git-llm-bridge-0.1.0.tgz',
  'npm install -g --prefix /usr/local ./git-llm-bridge-VERSION.tgz, and "llm-bridge init" on the server',
  'in a checkout of llm-bridge: git pull && npm ci && npm run build && npm pack',
  "import { ask } from 'git-llm-bridge';",
  '    "llm-bridge": "bin/llm-bridge.js"',
  'llm-bridge init /srv/llm-bridge/bridge.git',
  "what the npm registry has under the name `llm-bridge` is somebody else's",
])('%s is no such thing', (line) => {
  expect(strangersIn(line)).toEqual([]);
});
