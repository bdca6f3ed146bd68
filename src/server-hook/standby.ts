/**
 * Both hooks of one push over ssh, as a program that `ssh-command` starts while git still takes in the pack: starting Node and loading
 * the schemas, twice, is most of what a push of one answer waits for on the server. It is asked by the hooks' stubs on
 * standard input and answers on standard output, two pipes that nobody has but this one push. It is never relied on: a stub that gets
 * no answer starts the hook itself. It ends after its last answer, when the push is over, and when nobody asks for a while.
 */
import * as z from 'zod';
import { readBridgeSettings } from '../git/bridge-settings.js';
import { hookGitEnv } from '../git/git-env.js';
import { openObjectReader } from '../git/object-reader.js';
import { answerStubs } from './answer-stubs.js';
import { hookRepository } from './hook-repository.js';
import { judgeAloud } from './judge-aloud.js';
import { takeIn } from './take-in.js';

/**
 * Whoever holds a push open must not hold this open as well: a pack of a message is there in moments (some 50 ms after this process is
 * ready, on the machine of docs/performance.md), and a large one may as well wait for Node to start. Milliseconds.
 */
const FIRST_WORD_MS = 2_000;

// A schema that is used once or twice is not worth compiling.
z.config({ jitless: true });

const gitDir = process.cwd();
// They are those of this push from now on, however long its pack takes.
const repo = hookRepository(gitDir, hookGitEnv(process.env));
const settings = readBridgeSettings(repo).catch(() => readBridgeSettings(repo));
settings.catch(() => {});
const giveUp = setTimeout(() => process.exit(0), FIRST_WORD_MS);
/** Reads what is in the repository itself; what is in quarantine has a reader of its own. */
const reader = openObjectReader(repo);
void answerStubs(process.stdin, process.stdout, {
  judge: async (quarantine, stdin) => {
    clearTimeout(giveUp);
    const env = { ...process.env, ...quarantine };
    const refusal = await judgeAloud({
      repo: hookRepository(gitDir, hookGitEnv(env)),
      stdin,
      env,
      nowMs: Date.now(),
      settings,
    });
    // It starts while git moves main.
    if (refusal === null) reader.warm();
    return refusal;
  },
  takeIn: () => takeIn(gitDir, process.env, process.argv[1] ?? '', { settings, reader }),
  // What git of ours is left, and a socket to nobody, keep nothing from ending.
}).finally(() => process.exit(0));
