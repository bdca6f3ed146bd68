import { access, chmod, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { makeGroupFolder } from '../process/group-files.js';
import { installAgain, PACKAGE_FILES } from '../process/own-package.js';
import { shellQuote } from '../process/shell-quote.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { FEATURES } from '../protocol/hello.js';
import { PROTOCOL_VERSION } from '../protocol/names.js';
import { FIXED_SETTINGS } from './repository-settings.js';

/** Each template in `hooks/`, and its path in the repository. */
const TARGETS = [
  ['pre-receive', 'hooks/pre-receive'],
  ['post-receive', 'hooks/post-receive'],
  ['ssh-command', 'bridge/ssh-command'],
  ['receive-pack', 'bridge/receive-pack'],
  ['repair', 'bridge/repair'],
  ['find-node', 'bridge/find-node'],
] as const;

/** The line of a template that stands for a part of it. One file is installed. */
const PART = /^\. (ssh-command\.d\/[a-z-]+\.sh)\n/gm;

/** The values for the templates. */
export interface HookPaths {
  /** Absolute path of the node that runs the hooks. */
  readonly node: string;
  /** Folders where git and the standard tools are found, for sessions whose PATH lacks them. */
  readonly path: string;
}

/**
 * Writes the hooks and the forced command into a repository, each whole or not at all, and only where its
 * text or mode differs. Returns the paths that changed. Throws BridgeError `not-built` where the hook
 * programs are missing.
 */
export async function installHooks(gitDir: string, paths: HookPaths): Promise<string[]> {
  const { preReceive, postReceive, standby, window, repair } = PACKAGE_FILES;
  for (const program of [preReceive, postReceive, standby, window, repair]) {
    await access(program).catch((cause: unknown) => {
      throw new BridgeError(`the hook program ${program} is missing`, {
        code: 'not-built',
        remedy: installAgain(),
        cause,
      });
    });
  }
  const changed: string[] = [];
  for (const [template, target] of TARGETS) {
    const file = path.join(gitDir, target);
    const text = await textOf(template, paths);
    if (await isInstalled(file, text)) continue;
    await makeGroupFolder(path.dirname(file));
    await writeFileAtomic(file, text, { mode: 0o755 });
    await chmod(file, 0o755);
    changed.push(target);
  }
  return changed;
}

/** The files that installHooks writes, by their path in the repository. */
export async function expectedHooks(paths: HookPaths): Promise<{ target: string; text: string }[]> {
  return Promise.all(
    TARGETS.map(async ([template, target]) => ({ target, text: await textOf(template, paths) })),
  );
}

async function textOf(template: string, paths: HookPaths): Promise<string> {
  return fill(await withParts(template), paths);
}

/** The text of a template with each of its parts in the place of the line that names it. */
async function withParts(template: string): Promise<string> {
  const read = (name: string) => readFile(path.join(PACKAGE_FILES.hooks, name), 'utf8');
  const text = await read(template);
  const parts = await Promise.all([...text.matchAll(PART)].map(([, part = '']) => read(part)));
  return text.replace(PART, () => `${parts.shift()}\n`);
}

function fill(template: string, paths: HookPaths): string {
  return template
    .replaceAll('@NODE@', () => shellQuote(paths.node))
    .replaceAll('@PRE_RECEIVE@', () => shellQuote(PACKAGE_FILES.preReceive))
    .replaceAll('@POST_RECEIVE@', () => shellQuote(PACKAGE_FILES.postReceive))
    .replaceAll('@STANDBY@', () => shellQuote(PACKAGE_FILES.standby))
    .replaceAll('@REPAIR@', () => shellQuote(PACKAGE_FILES.repair))
    .replaceAll('@PINNED_FETCH@', () =>
      pinned(['core', 'transfer', 'uploadpack', 'uploadpackfilter', 'pack']),
    )
    .replaceAll('@PINNED_PUSH@', () => pinned(['core', 'transfer', 'receive', 'pack']))
    .replaceAll('@PATH@', () => shellQuote(paths.path))
    .replaceAll('@PROTOCOL@', String(PROTOCOL_VERSION))
    .replaceAll('@FEATURES@', JSON.stringify(FEATURES));
}

/** The fixed settings of these sections as options of git, which win over what a config says. */
function pinned(sections: readonly string[]): string {
  return FIXED_SETTINGS.filter(([key]) => sections.includes(key.split('.', 1)[0] ?? ''))
    .flatMap(([key, ...values]) => values.map((value) => `-c ${shellQuote(`${key}=${value}`)}`))
    .join(' ');
}

async function isInstalled(file: string, text: string): Promise<boolean> {
  const stats = await stat(file).catch(() => null);
  if (stats === null || (stats.mode & 0o111) !== 0o111) return false;
  return (await readFile(file, 'utf8')) === text;
}
