import { readFile, stat } from 'node:fs/promises';
import { BridgeError } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import type { Service } from './plan-service.js';
import type { ServicePlatform } from './service-spec.js';

const CHARS: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };

/** The words of the command line in a file of each platform, as far as `--env-file` and a program go. */
const WORDS_OF: Readonly<Record<ServicePlatform, (text: string) => string[]>> = {
  linux: (text) => systemdWords(/^ExecStart=(.*)$/m.exec(text)?.[1] ?? ''),
  darwin: (text) => {
    const [, list = ''] = /<key>ProgramArguments<\/key>\s*<array>(.*?)<\/array>/s.exec(text) ?? [];
    return [...list.matchAll(/<string>(.*?)<\/string>/gs)].map(([, word = '']) => fromXml(word));
  },
  win32: (text) => {
    const [, node = ''] = /<Command>(.*?)<\/Command>/s.exec(text) ?? [];
    const [, line = ''] = /<Arguments>(.*?)<\/Arguments>/s.exec(text) ?? [];
    // No path of Windows has a quote in it.
    const words = [...fromXml(line).matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
    return [fromXml(node), ...words.map(String)];
  },
};

/**
 * Throws BridgeError `no-program` where what an installed service starts is not there any more: an update of
 * node or of llm-bridge may have taken it along, and the service manager tells nobody. A service that runs
 * goes on running, and does not come up again.
 */
export async function requireProgram({ platform, spec, plan }: Service): Promise<void> {
  const [first] = plan.files;
  if (first === undefined) return;
  const text = await readFile(first.path, first.encoding).catch(() => '');
  const gone = await firstGone(startedProgram(platform, text));
  if (gone === null) return;
  throw new BridgeError(`${spec.name} starts ${oneLine(gone)}, which is gone: it does not come up again`, {
    code: 'no-program',
    remedy: `llm-bridge service install ${spec.role} again, with the options that stand in ${first.path}`,
  });
}

/**
 * What the file of an installed service starts: node and the entry of llm-bridge, absolute paths. Fewer, or
 * none, where somebody wrote another command line into it.
 */
export function startedProgram(platform: ServicePlatform, text: string): readonly string[] {
  const words = WORDS_OF[platform](text).filter((word) => !word.startsWith('--env-file='));
  return words.slice(0, 2).filter((word) => /^(?:\/|[A-Za-z]:[\\/])/.test(word));
}

/**
 * Which of these files is gone; null where none is. One that may not be looked at is not known to be gone:
 * the service may run as another user.
 */
export async function firstGone(files: readonly string[]): Promise<string | null> {
  for (const file of files) {
    const code = await stat(file).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (code === 'ENOENT' || code === 'ENOTDIR') return file;
  }
  return null;
}

/** Reads what `systemdService` writes: quotes, a backslash in front of a character, `%%` and `$$`. */
function systemdWords(line: string): string[] {
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare = '']) =>
    quoted === undefined ? bare : quoted.replace(/\\(.)/g, '$1'),
  );
  return words.map((word) => word.replaceAll('%%', '%').replaceAll('$$', '$'));
}

function fromXml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot);/g, (entity) => CHARS[entity] ?? entity);
}
