/**
 * Both hooks of one push over ssh, as a program. `ssh-command` starts it while git still receives the pack.
 * A push of one answer waits on the server mostly for two starts of Node with the schemas; this program
 * starts earlier and only once. The stubs of the hooks ask it on standard input, and it answers on standard
 * output; these two pipes belong to this push alone. Nothing relies on it: a stub without an answer starts
 * the hook itself. It ends after its last answer, when the push is over, or when nobody asks for a while.
 */
import { read, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import * as z from 'zod';
import { type BridgeSettings, parseBridgeSettings, readBridgeSettings } from '../bridge/bridge-settings.js';
import { hookGitEnv } from '../git/git-env.js';
import { openObjectReader } from '../git/object-reader.js';
import { lockLog } from '../log/with-log.js';
import { MAIN_REF } from '../protocol/names.js';
import { PACK_COPY } from '../rules/pack-copy.js';
import { answerStubs } from './answer-stubs.js';
import { judgeAloud } from './judge-push.js';
import { hookRepository } from './read-principal.js';
import { rehearse } from './rehearse.js';
import { takeIn } from './take-in.js';

/**
 * How long to wait for a question. A pusher who holds a push open must not hold this process open too,
 * neither before the first question nor before the second. The pack of a message arrives within moments
 * (some 50 ms after this process is ready, on the machine of docs/performance.md), and main moves within a
 * few milliseconds. A slower push can wait for Node to start. Milliseconds.
 */
const LONGEST_WAIT_MS = 2_000;

/** The same for a session that waits for its push: `ssh-command` ends that after a minute. Milliseconds. */
const LONGEST_WAIT_AHEAD_MS = 75_000;

/** See code-cache.ts. */
declare const keepCode: () => void;

// Compiling a schema does not pay for one or two uses.
z.config({ jitless: true });

const isAhead = process.env.LLM_BRIDGE_AHEAD !== undefined;
// `ssh-command` leaves it out then. Only what is started from here sees it.
process.env.GIT_DIR = '.';

const gitDir = process.cwd();
// The repository without the objects of the push: the quarantine comes later, with the question.
const repo = hookRepository(gitDir, hookGitEnv(process.env));
let giveUp = setTimeout(end, isAhead ? LONGEST_WAIT_AHEAD_MS : LONGEST_WAIT_MS);
/** Reads the objects of the repository itself. Objects in quarantine have a reader of their own. */
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
    // Taken while git moves main: the lock needs a process, the first one that is started here.
    if (refusal === null && stdin.includes(` ${MAIN_REF}\n`)) {
      setImmediate(() => {
        lock = lockLog(repo);
        lock.catch(() => {});
      });
      // git tells the pusher first, and a pusher may not listen. The log must not stay locked meanwhile.
      giveUp = setTimeout(end, LONGEST_WAIT_MS);
    }
    return refusal;
  },
  takeIn: async () => {
    clearTimeout(giveUp);
    const said = await takeIn(gitDir, process.env, process.argv[1] ?? '', { settings, reader, lock });
    // By now everything that a push needs has run, so its code can be saved.
    setImmediate(keepCode);
    return said;
  },
}).finally(() => setImmediate(end));

if (isAhead) void rehearse(repo, process.env);

/** Does not use process.stdin, which loads the socket half of Node: three milliseconds. */
async function* input(): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await promisify(read)(0, { buffer: Buffer.allocUnsafe(65_536) });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * Ends this process with SIGKILL. It does not wait for a git process of ours, nor for a read that nobody
 * answers any more, which `process.exit` would wait for.
 */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
