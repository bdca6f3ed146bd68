/**
 * The dispatcher of `on-answer.d`, as a program: `on-answer.cjs <repo>`. The process that added
 * answers to the log starts it and does not wait. Nobody reads its output: its state files hold the
 * result, and `llm-bridge status` shows it.
 */
import { clientGitEnv } from '../git/git-env.js';
import { dispatch } from '../log/on-answer/dispatch.js';

const [gitDir] = process.argv.slice(2);
if (gitDir === undefined) process.exitCode = 2;
else {
  dispatch({ gitDir, env: clientGitEnv(process.env) }, { env: process.env, now: Date.now }).catch(() => {
    process.exitCode = 1;
  });
}
