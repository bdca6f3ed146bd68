/**
 * The variables in which git tells pre-receive where it keeps the objects of a push until it is let in.
 * Empty where the push brought no objects.
 */
export type Quarantine = Readonly<Record<string, string>>;

/** In the order in which the stub sends them. */
const QUARANTINE_VARIABLES = [
  'GIT_QUARANTINE_PATH',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
] as const;

/** The start of a line that is a setting. */
const SETTING = /^(?:bridge|extensions)\./;

/** The work of the two hooks. */
export interface HookWork {
  /**
   * Null lets the push in; otherwise the line that says why not. `stdin` is what git wrote to pre-receive.
   * `settings` are the settings of the bridge as ssh-command read them, one per line; the list may be empty.
   */
  judge(quarantine: Quarantine, stdin: string, settings: readonly string[]): Promise<string | null>;
  /** Returns the line to print; empty where there is nothing to print. */
  takeIn(): Promise<string>;
}

/** More than any push has that comes through the gate: 64 commands of at most 2 KiB each. */
const MAX_REQUEST_BYTES = 256 * 1024;

/**
 * Answers the stubs of the hooks of one push:
 * 1. `pre-receive`, then a line for each of QUARANTINE_VARIABLES (all of them empty, or none), then the
 *    settings, then the lines that git wrote, each after a `+`, then `.`. The answer is `yes`, or `no
 *    <why>`.
 * 2. `post-receive`. The answer is `taken <what to say>`.
 * Only a line break ends a line, because the name of a ref may contain any other character. Resolves after
 * the second answer, after a `no`, at the end of the input, and at anything that is not a request: a stub
 * without an answer starts the hook itself.
 */
export async function answerStubs(
  input: AsyncIterable<Buffer>,
  say: (line: string) => void,
  work: HookWork,
): Promise<void> {
  const lines = linesOf(input);
  const next = async () => (await lines.next()).value;
  if ((await next()) !== 'pre-receive') return;
  const quarantine: Record<string, string> = {};
  for (const name of QUARANTINE_VARIABLES) {
    const value = await next();
    if (value) quarantine[name] = value;
  }
  const told = Object.keys(quarantine).length;
  if (told !== 0 && told !== QUARANTINE_VARIABLES.length) return;
  const settings: string[] = [];
  let line = await next();
  for (; line === '' || SETTING.test(line ?? ''); line = await next()) settings.push(line ?? '');
  if (!line?.startsWith('+')) return;
  let stdin = '';
  for (; line !== '.'; line = await next()) {
    if (!line?.startsWith('+')) return;
    stdin += `${line.slice(1)}\n`;
  }
  const refusal = await work.judge(quarantine, stdin, settings);
  say(refusal === null ? 'yes' : `no ${refusal}`);
  if (refusal !== null || (await next()) !== 'post-receive') return;
  say(`taken ${await work.takeIn()}`);
}

/** Yields undefined instead of a line at the end. Throws where a request is larger than any real one. */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) throw new Error('a push with more than any push has');
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
  }
}
