import type { Readable, Writable } from 'node:stream';

/** Where git keeps what a push brought until it is let in: what it has in the environment of pre-receive. */
export interface Quarantine {
  readonly GIT_QUARANTINE_PATH: string;
  readonly GIT_OBJECT_DIRECTORY: string;
  readonly GIT_ALTERNATE_OBJECT_DIRECTORIES: string;
}

/** What the hooks do. */
export interface HookWork {
  /** Null lets the push in; else the line that says why not. `stdin` is what git wrote to pre-receive. */
  judge(quarantine: Quarantine, stdin: string): Promise<string | null>;
  /** Answers the line to say; empty where there is nothing to. */
  takeIn(): Promise<string>;
}

/** More than any push has that comes through the gate: 64 commands of at most 2 KiB each. */
const MAX_REQUEST_BYTES = 256 * 1024;

/**
 * Answers the stubs of the hooks of one push:
 * 1. `pre-receive`, a line for each of the three of Quarantine, the lines that git wrote, each behind a `+`, and `.`. The answer is `yes`, or
 *    `no <why>`.
 * 2. `post-receive`. The answer is `taken <what to say>`.
 * A line ends with a line break and with nothing else, because the name of a ref may hold anything. Resolves after the second answer, after a
 * `no`, at the end of the input, and at anything that is no request: who gets no answer helps himself.
 */
export async function answerStubs(input: Readable, output: Writable, work: HookWork): Promise<void> {
  const lines = linesOf(input);
  const next = async () => (await lines.next()).value;
  if ((await next()) !== 'pre-receive') return;
  const [path, objects, alternates] = [await next(), await next(), await next()];
  if (!path || !objects || alternates === undefined) return;
  const quarantine = {
    GIT_QUARANTINE_PATH: path,
    GIT_OBJECT_DIRECTORY: objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: alternates,
  };
  let stdin = '';
  for (;;) {
    const line = await next();
    if (line === '.') break;
    if (!line?.startsWith('+')) return;
    stdin += `${line.slice(1)}\n`;
  }
  const refusal = await work.judge(quarantine, stdin);
  await say(output, refusal === null ? 'yes' : `no ${refusal}`);
  if (refusal !== null || (await next()) !== 'post-receive') return;
  await say(output, `taken ${await work.takeIn()}`);
}

/** Undefined in place of a value at the end. Throws where a request is larger than any. */
async function* linesOf(input: Readable): AsyncGenerator<string, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let bytes = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) throw new Error('a push with more than any push has');
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
  }
}

function say(output: Writable, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });
}
