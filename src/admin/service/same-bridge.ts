import { type ServiceSpec, xmlComment, xmlText } from './service-spec.js';
import { systemdText } from './systemd-unit.js';

/**
 * Whether the file of an installed service is for the bridge of this one. Its description says so; the files
 * of earlier versions for launchd have none, and there the words of its command do.
 */
export function isForSameBridge(file: string, text: string, { repo, command }: ServiceSpec): boolean {
  if (file.endsWith('.xml')) return endsWith(/<Description>(.*)<\/Description>/.exec(text), xmlText(repo));
  if (!file.endsWith('.plist')) return endsWith(/^Description=(.*)$/m.exec(text), systemdText(repo));
  const said = /<!-- (llm-bridge: .*) -->/.exec(text);
  if (said !== null) return endsWith(said, xmlComment(repo));
  const named = command[command.indexOf('--repo') + 1] ?? repo;
  return [repo, named].some((one) =>
    text.includes(`<string>--repo</string>\n    <string>${xmlText(one)}</string>`),
  );
}

function endsWith(said: RegExpExecArray | null, repo: string): boolean {
  return said?.[1]?.endsWith(` ${repo}`) === true;
}
