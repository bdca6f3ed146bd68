/** What the forced command of a bridge says where it refuses; `remedy` is null where it names none. */
export interface ForcedRefusal {
  readonly text: string;
  readonly remedy: string | null;
}

/**
 * Reads its line: `llm-bridge: what is wrong; try: what to do`. `url`: the address of the bridge as we have
 * it.
 */
export function readRefusal(words: string, url = ''): ForcedRefusal {
  const [text = '', remedy] = words.replace(/^llm-bridge: /, '').split('; try: ');
  return { text: text.trim(), remedy: remedy === undefined ? null : withOurLogin(remedy.trim(), url) };
}

/**
 * The server knows the path of its bridge, and not by which name and port we came: its remedy is
 * `ssh://<user>@<host>/srv/bridge.git`. We put the path behind the login of our own address.
 */
function withOurLogin(remedy: string, url: string): string {
  const [, path] = /^ssh:\/\/<user>@<host>(\/.*)$/.exec(remedy) ?? [];
  const [login] = /^(?:ssh:\/\/[^/]+|(?:[^@/:[\]]+@)?(?:\[[^\]]+\]|[^@/:[\]]+):(?!\/\/))/i.exec(url) ?? [];
  return path === undefined || login === undefined ? remedy : `${login}${path}`;
}
