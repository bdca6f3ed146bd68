import { readFile, stat } from 'node:fs/promises';
import { BridgeError } from '../../protocol/bridge-error.js';
import { oneLine } from '../../protocol/printable.js';
import type { Service } from './plan-service.js';
import type { ServicePlatform } from './service-spec.js';

const CHARS: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };

/** Reads the words of the command line from the file of each platform. */
const WORDS_OF: Readonly<Record<ServicePlatform, (text: string) => string[]>> = {
  linux: (text) => systemdWords(/^ExecStart=(.*)$/m.exec(text)?.[1] ?? ''),
  darwin: (text) => {
    const list = between(text, '<key>ProgramArguments</key>', '</array>');
    return [...list.matchAll(/<string>([^<]*)/g)].map(([, word = '']) => fromXml(word));
  },
  win32: (text) => {
    const line = fromXml(between(text, '<Arguments>', '</Arguments>'));
    // No path of Windows has a quote in it.
    const words = [...line.matchAll(/"([^"]*)"?|[^\s"]+/g)].map(([bare, quoted]) => quoted ?? bare);
    return [fromXml(between(text, '<Command>', '</Command>')), ...words];
  },
};

/**
 * Throws BridgeError `no-program` where the program that an installed service starts is not there any more:
 * an update of node or of llm-bridge may have removed it, and the service manager tells nobody. A service
 * that runs goes on, but does not start again.
 */
export async function requireProgram({ platform, spec, plan }: Service): Promise<void> {
  const [first] = plan.files;
  if (first === undefined) return;
  const fault = await programFault(platform, spec, first.path);
  if (fault === null) return;
  throw new BridgeError(fault.message, { code: 'no-program', remedy: fault.remedy });
}

/** What is wrong with the program that the file of an installed service starts; null where nothing is. */
export async function programFault(
  platform: ServicePlatform,
  { name, role }: { readonly name: string; readonly role: string },
  file: string,
): Promise<{ readonly message: string; readonly remedy: string } | null> {
  const text = await readFile(file, platform === 'win32' ? 'utf16le' : 'utf8').catch(() => '');
  const gone = await firstGone(startedProgram(platform, text));
  if (gone === null) return null;
  return {
    message: `${name} starts ${oneLine(gone)}, which is gone: it does not come up again`,
    remedy: `llm-bridge service install ${role} again, with the options that stand in ${file}`,
  };
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

/** Reads what `systemdService` writes: quotes, a backslash before a quote or a backslash, `%%` and `$$`. */
function systemdWords(line: string): string[] {
  // While quotes are looked for, two characters that no unit has stand for the escaped ones.
  const plain = line.replaceAll('\\\\', '\0').replaceAll('\\"', '\x01');
  const words = [...plain.matchAll(/"([^"]*)"?|[^\s"]+/g)].map(([bare, quoted]) => quoted ?? bare);
  return words.map((word) =>
    word.replaceAll('\0', '\\').replaceAll('\x01', '"').replaceAll('%%', '%').replaceAll('$$', '$'),
  );
}

/** What stands between these two; empty where they are not there. */
function between(text: string, start: string, end: string): string {
  const at = text.indexOf(start);
  const endAt = text.indexOf(end, at);
  return at === -1 || endAt === -1 ? '' : text.slice(at + start.length, endAt);
}

function fromXml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot);/g, (entity) => CHARS[entity] ?? entity);
}
