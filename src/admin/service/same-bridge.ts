import { type ServiceSpec, xmlComment, xmlText } from './service-spec.js';
import { systemdText } from './systemd-unit.js';

/**
 * Whether the file of an installed service is for the bridge of this one. Its description says so; the files
 * of earlier versions for launchd have none, and there the words of its command do.
 */
export function isForSameBridge(file: string, text: string, { repo, command }: ServiceSpec): boolean {
  if (file.endsWith('.xml'))
    return isLastWord(xmlText(repo), between(text, '<Description>', '</Description>'));
  if (!file.endsWith('.plist'))
    return isLastWord(systemdText(repo), between(`\n${text}`, '\nDescription=', '\n'));
  const said = between(text, '<!-- llm-bridge: ', ' -->');
  if (said !== null) return isLastWord(xmlComment(repo), ` ${said}`);
  const named = command[command.indexOf('--repo') + 1] ?? repo;
  return [repo, named].some((one) =>
    text.includes(`<string>--repo</string>\n    <string>${xmlText(one)}</string>`),
  );
}

function isLastWord(repo: string, said: string | null): boolean {
  return said?.endsWith(` ${repo}`) === true;
}

/** What stands between these two; null where they do not stand there. */
function between(text: string, before: string, behind: string): string | null {
  const at = text.indexOf(before);
  const from = at + before.length;
  const to = text.indexOf(behind, from);
  return at === -1 || to === -1 ? null : text.slice(from, to);
}
