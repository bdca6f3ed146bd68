/**
 * The dispatcher of `on-answer.d`, as a program: `on-answer.cjs <repo>`. Whoever took answers into the log starts it and does not wait.
 * Nobody reads what it says: what there is to know is in its states, and `llm-bridge status` shows them.
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
