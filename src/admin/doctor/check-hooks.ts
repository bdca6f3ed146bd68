import { access, constants, lstat, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { placesIn } from '../../bridge/recorded-node.js';
import { STREAMS_FOLDER } from '../../bridge/stream-folder.js';
import { PACKAGE_FILES } from '../../process/own-package.js';
import { runProgram } from '../../process/run-program.js';
import { shellQuote } from '../../process/shell-quote.js';
import { expectedHooks } from '../install-hooks.js';
import { renewHooks, withoutProgram } from '../renew-hooks.js';
import { broken, ok, type Verdict, warning } from './finding.js';

/** The program of this package that each of them starts. */
const OWN_PROGRAMS: Readonly<Record<string, string>> = {
  'hooks/pre-receive': PACKAGE_FILES.preReceive,
  'hooks/post-receive': PACKAGE_FILES.postReceive,
  'bridge/ssh-command': PACKAGE_FILES.standby,
  'bridge/repair': PACKAGE_FILES.repair,
};

/** A node that is silent for this long does not run. Milliseconds. */
const NODE_TIMEOUT_MS = 10_000;

/**
 * Checks the hooks and the forced command: they exist, are executable, are the text of this version, and
 * node and the hook programs are still at the paths in them. The forced command also needs the folder of the
 * streams. Another place of node or of llm-bridge is no fault by itself.
 */
export async function checkHooks(gitDir: string): Promise<Verdict[]> {
  const init = `llm-bridge init ${shellQuote(gitDir)}`;
  const renewed = await renewHooks(gitDir);
  const verdicts = renewed.map(ok);
  const programs = new Map<string, string>();
  for (const { target } of await expectedHooks({ node: '', path: '' })) {
    const file = path.join(gitDir, target);
    const stats = await stat(file).catch(() => null);
    if (stats === null) {
      verdicts.push(broken(`${target} is missing`, init));
      continue;
    }
    if ((stats.mode & 0o111) !== 0o111 && process.platform !== 'win32') {
      verdicts.push(broken(`${target} is not executable`, init));
      continue;
    }
    const text = await readFile(file, 'utf8');
    const said = placesIn(text);
    const wanted = (await expectedHooks({ node: said.node ?? '', path: said.path ?? '' })).find(
      (one) => one.target === target,
    );
    // The program may belong to another installation; that has a check of its own.
    if (withoutProgram(text) !== withoutProgram(wanted?.text ?? '')) {
      verdicts.push(
        broken(`${target} is not what this llm-bridge installs: it is older, newer or was changed`, init),
      );
    }
    if (said.node !== null) programs.set(`node ${said.node}`, said.node);
    if (said.hook !== null) programs.set(target, said.hook);
  }
  const streams = await lstat(path.join(gitDir, STREAMS_FOLDER)).catch(() => null);
  if (!streams?.isDirectory())
    verdicts.push(warning(`${STREAMS_FOLDER} is no folder: nobody sees an answer while it is written`, init));
  for (const [name, program] of programs) {
    const verdict = name.startsWith('node ')
      ? await judgeNode(program, init)
      : await judgeProgram(name, program, init);
    if (verdict !== null) verdicts.push(verdict);
  }
  return verdicts.some(({ status }) => status !== 'ok') || renewed.length > 0
    ? verdicts
    : [ok('installed and current')];
}

async function judgeNode(node: string, init: string): Promise<Verdict | null> {
  const isThere = await access(node, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isThere) return broken(`the hooks start ${node}, which is gone: no push is let in`, init);
  const run = { env: process.env, timeoutMs: NODE_TIMEOUT_MS };
  const result = await runProgram([node, '--version'], run).catch(() => null);
  return result?.exitCode === 0 ? null : broken(`the hooks start ${node}, which does not run`, init);
}

async function judgeProgram(target: string, program: string, init: string): Promise<Verdict | null> {
  const own = OWN_PROGRAMS[target] ?? '';
  const text = await readFile(program, 'utf8').catch(() => null);
  if (text === null) return broken(`${target} starts ${program}, which is gone`, init);
  if (program === own || text === (await readFile(own, 'utf8').catch(() => null))) return null;
  return warning(`${target} starts ${program}, which is of another version of llm-bridge`, init);
}
