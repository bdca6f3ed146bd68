/**
 * Both hooks of one push over ssh, as a program that `ssh-command` starts while git still takes in the pack: starting Node and loading
 * the schemas, twice, is most of what a push of one answer waits for on the server. It is asked by the hooks' stubs on
 * standard input and answers on standard output, two pipes that nobody has but this one push. It is never relied on: a stub that gets
 * no answer starts the hook itself. It ends after its last answer, when the push is over, and when nobody asks for a while.
 */
import { read, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import * as z from 'zod';
import { type BridgeSettings, parseBridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { hookGitEnv } from '../git/git-env.js';
import { openObjectReader } from '../git/object-reader.js';
import { lockLog } from '../log/ingest.js';
import { MAIN_REF } from '../protocol/names.js';
import { PACK_COPY } from '../rules/citations.js';
import { answerStubs } from './answer-stubs.js';
import { judgeAloud } from './judge-push.js';
import { hookRepository } from './read-principal.js';
import { takeIn } from './take-in.js';

/**
 * Whoever holds a push open must not hold this open as well, neither before its first question nor before its second: a pack of a message
 * is there in moments (some 50 ms after this process is ready, on the machine of docs/performance.md), main moves in a few
 * milliseconds, and what takes longer may as well wait for Node to start. Milliseconds.
 */
const LONGEST_WAIT_MS = 2_000;

/** See code-cache.ts. */
declare const keepCode: () => void;

// A schema that is used once or twice is not worth compiling.
z.config({ jitless: true });

const gitDir = process.cwd();
// They are those of this push from now on, however long its pack takes.
const repo = hookRepository(gitDir, hookGitEnv(process.env));
let giveUp = setTimeout(end, LONGEST_WAIT_MS);
/** Reads what is in the repository itself; what is in quarantine has a reader of its own. */
const reader = openObjectReader(repo);
let settings: Promise<BridgeSettings> | undefined;
let lock: Promise<() => Promise<void>> | undefined;
void answerStubs(input(), (line) => writeSync(1, `${line}\n`), {
  judge: async (quarantine, stdin, lines) => {
    clearTimeout(giveUp);
    const told = parseBridgeSettings(gitDir, lines);
    settings =
      told === null ? readBridgeSettings(repo).catch(() => readBridgeSettings(repo)) : Promise.resolve(told);
    settings.catch(() => {});
    const env = { ...process.env, ...quarantine };
    const refusal = await judgeAloud({
      repo: hookRepository(gitDir, hookGitEnv(env)),
      stdin,
      env,
      nowMs: Date.now(),
      settings,
      packCopy: PACK_COPY,
    });
    // While git moves main: it takes a process of its own, the first that is started here.
    if (refusal === null && stdin.includes(` ${MAIN_REF}\n`)) {
      setImmediate(() => {
        lock = lockLog(repo);
        lock.catch(() => {});
      });
      // git tells the pusher first, who may not listen: nobody is to be kept out of the log meanwhile.
      giveUp = setTimeout(end, LONGEST_WAIT_MS);
    }
    return refusal;
  },
  takeIn: async () => {
    clearTimeout(giveUp);
    const said = await takeIn(gitDir, process.env, process.argv[1] ?? '', { settings, reader, lock });
    // By now everything that a push needs has run.
    setImmediate(keepCode);
    return said;
  },
}).finally(() => setImmediate(end));

/** Not by process.stdin, which loads the half of Node that knows sockets: three milliseconds. */
async function* input(): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await promisify(read)(0, { buffer: Buffer.allocUnsafe(65_536) });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** What git of ours is left, and a read that waits for nobody (`process.exit` would wait for that one), keep nothing from ending. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
