import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { shellQuote } from './shell-quote.js';

/** Where this package lies: the checkout, or what npm made of the tarball. No slash at the end. */
const FOLDER = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(path.join(FOLDER, 'package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

/**
 * Installs and builds what is in a checkout. There is no shorter way: the package is in no registry, and
 * `llm-bridge` in npm's is somebody else's. The build is named, because npm leaves out the one before `pack`
 * where `ignore-scripts` is set.
 */
const BUILD = 'npm ci && npm run build';

/** The file that `npm pack` makes. */
const TARBALL = './git-llm-bridge-VERSION.tgz';

/**
 * The remedy where a newer llm-bridge is needed here: the commands for the way in which the one in `folder`
 * is installed.
 */
export function updateHere(folder = FOLDER): string {
  return installFrom(`git pull && ${BUILD}`, folder);
}

/** The remedy where a part of the installed llm-bridge is missing. */
export function installAgain(folder = FOLDER): string {
  return installFrom(BUILD, folder);
}

/** The same as updateHere for machines of which nobody here knows how llm-bridge is installed on them. */
export function updateElsewhere(where: 'the server' | 'the server and the PC'): string {
  const make = `in a checkout of llm-bridge: git pull && ${BUILD} && npm pack`;
  return `${make}; then on ${where}: npm install -g ${TARBALL}, and "llm-bridge init" on the server`;
}

function installFrom(build: string, folder: string): string {
  const above = path.dirname(folder);
  // A checkout, also one that `npm link` leads to.
  if (path.basename(above) !== 'node_modules') return `cd ${shellQuote(folder)} && ${build}`;
  const make = `in a checkout of llm-bridge: ${build} && npm pack`;
  const holder = path.dirname(above);
  // A dependency of a project is updated where it is one. Otherwise the prefix is named, because the npm
  // that is found first may be that of another Node, with a prefix of its own.
  if (existsSync(path.join(holder, 'package.json')))
    return `${make}; then here: npm install --prefix ${shellQuote(holder)} ${TARBALL}`;
  const prefix = path.basename(holder) === 'lib' ? path.dirname(holder) : holder;
  return `${make}; then here: npm install -g --prefix ${shellQuote(prefix)} ${TARBALL}`;
}

/** Where the files lie that this package brings along; absolute paths. */
export const PACKAGE_FILES = {
  /** The command `llm-bridge`, and the built program that it starts. */
  command: fileURLToPath(new URL('../../bin/llm-bridge.js', import.meta.url)),
  cli: fileURLToPath(new URL('../cli/main.js', import.meta.url)),
  /** The sh stubs and ssh-command, as templates. */
  hooks: fileURLToPath(new URL('../../hooks/', import.meta.url)),
  /** What the first commit of a bridge holds. */
  template: fileURLToPath(new URL('../../bridge-repo-template/', import.meta.url)),
  /** The built hook programs. */
  preReceive: fileURLToPath(new URL('../hooks/pre-receive.cjs', import.meta.url)),
  postReceive: fileURLToPath(new URL('../hooks/post-receive.cjs', import.meta.url)),
  standby: fileURLToPath(new URL('../hooks/standby.cjs', import.meta.url)),
  window: fileURLToPath(new URL('../hooks/say-window.cjs', import.meta.url)),
  repair: fileURLToPath(new URL('../hooks/repair.cjs', import.meta.url)),
  onAnswer: fileURLToPath(new URL('../hooks/on-answer.cjs', import.meta.url)),
  /** The folder of the gateway's page, built. */
  page: fileURLToPath(new URL('../page/', import.meta.url)),
} as const;
