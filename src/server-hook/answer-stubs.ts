/** Variables of git in which pre-receive is told where the objects of the push are kept until it is let in; none where it brought none. */
export type Quarantine = Readonly<Record<string, string>>;

/** In the order in which the stub tells them. */
const QUARANTINE_VARIABLES = [
  'GIT_QUARANTINE_PATH',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
] as const;

/** How a line begins that is one of the settings. */
const SETTING = /^(?:bridge|extensions)\./;

/** What the hooks do. */
export interface HookWork {
  /**
   * Null lets the push in; else the line that says why not. `stdin` is what git wrote to pre-receive; `settings` are those of the bridge as
   * ssh-command read them, a line each, which may be none.
   */
  judge(quarantine: Quarantine, stdin: string, settings: readonly string[]): Promise<string | null>;
  /** Answers the line to say; empty where there is nothing to. */
  takeIn(): Promise<string>;
}

/** More than any push has that comes through the gate: 64 commands of at most 2 KiB each. */
const MAX_REQUEST_BYTES = 256 * 1024;

/**
 * Answers the stubs of the hooks of one push:
 * 1. `pre-receive`, a line for each of QUARANTINE_VARIABLES (all of them empty, or none), the settings, the lines that git wrote, each behind a
 *    `+`, and `.`. The answer is `yes`, or `no <why>`.
 * 2. `post-receive`. The answer is `taken <what to say>`.
 * A line ends with a line break and with nothing else, because the name of a ref may hold anything. Resolves after the second answer, after a
 * `no`, at the end of the input, and at anything that is no request: who gets no answer helps himself.
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

/** Undefined in place of a value at the end. Throws where a request is larger than any. */
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
