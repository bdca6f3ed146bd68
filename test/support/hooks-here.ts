import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseBridgeSettings } from '../../src/bridge/bridge-settings.js';
import { hookGitEnv } from '../../src/git/git-env.js';
import { answerStubs, type HookWork } from '../../src/server-hook/answer-stubs.js';
import { judgeAloud } from '../../src/server-hook/judge-push.js';
import { hookRepository } from '../../src/server-hook/read-principal.js';
import { takeIn } from '../../src/server-hook/take-in.js';
import type { GitOptions } from './git.js';

/** The programs of the hooks; what answers a dispatcher of on-answer.d is started from the same folder. */
const PROGRAM = fileURLToPath(new URL('../../dist/hooks/post-receive.cjs', import.meta.url));

/**
 * The options for a git that pushes to a bridge by its path, so that this process answers the stubs of its
 * bridge's hooks: as standby-work.ts does for a push over ssh, by the same work on the same descriptors.
 * Each push otherwise starts node twice, which is most of what it costs. A stub without an answer starts its
 * hook.
 */
export function hooksHere(repoPath: string, env: NodeJS.ProcessEnv): Pick<GitOptions, 'env' | 'more'> {
  return {
    env: { ...env, LLM_BRIDGE_STANDBY: 'yes' },
    more: {
      stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      take: (child) => {
        const [questions, answers] = child.stdio.slice(8) as unknown as [Readable, Duplex];
        // A push that was killed hears no answer.
        answers.on('error', () => {}).resume();
        questions.on('error', () => {});
        const say = (line: string) => void answers.write(`${line}\n`);
        void answerStubs(questions, say, hookWork(repoPath, env))
          .catch(() => {})
          .finally(() => questions.resume());
        void once(child, 'exit').then(() => answers.end());
      },
    },
  };
}

/**
 * What the hooks of a bridge do, for a pusher with these variables. `packCopy` is a descriptor of the pack's
 * copy, which a push over ssh has.
 */
export function hookWork(repoPath: string, env: NodeJS.ProcessEnv, packCopy: number | null = null): HookWork {
  const hookEnv = { ...env, GIT_DIR: '.' };
  return {
    judge: (quarantine, stdin, lines) => {
      const judged = { ...hookEnv, ...quarantine };
      const repo = hookRepository(repoPath, hookGitEnv(judged));
      const told = parseBridgeSettings(repoPath, lines);
      const settings = told === null ? undefined : Promise.resolve(told);
      return judgeAloud({ repo, stdin, env: judged, nowMs: Date.now(), settings, packCopy });
    },
    takeIn: () => takeIn(repoPath, hookEnv, PROGRAM),
  };
}
