import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git as runGit } from '../support/git.js';
import type { RunResult } from '../support/run-process.js';
import type { Random } from './random.js';
import { runLogged } from './run-logged.js';
import { pause, reasonOf, SOAK_TTL_MS, type SoakWorld } from './soak-world.js';

/** Asks by the command line until the signal aborts, one question after the other; some are waited for. */
export async function askByCommand(
  world: SoakWorld,
  who: {
    readonly stream: string;
    readonly repo: string;
    readonly env: Record<string, string>;
    readonly pauseMs: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const random = world.random(who.stream);
  while (!signal.aborted) {
    await pause(random.wait(who.pauseMs), signal);
    await world.room(signal);
    if (signal.aborted) return;
    const token = world.newToken();
    const isWaiting = random.chance(0.25);
    const how = isWaiting ? ['--timeout', '40'] : ['--no-wait'];
    const args = ['ask', '-', '--json', ...how, '--repo', who.repo];
    const { exitCode, stdout, stderr } = await world.run(args, who.env, prompt(token, random));
    if (exitCode === 137) world.asks.add('killed');
    else if (exitCode === 0 || (isWaiting && stdout !== '')) {
      // An error answer is an answer, and exits with 1.
      world.asks.add(isWaiting ? 'answered' : 'asked');
      readReply(world, token, stdout);
    } else if (exitCode === 75) {
      world.asks.add('no answer yet');
      const task = /[0-9a-f]{40}/.exec(stderr)?.[0];
      if (task !== undefined) world.acknowledged.push({ task, token });
    } else {
      world.asks.add(`failed: ${reasonOf(stderr)}`);
      await world.note('asks.txt', `${token} of ${who.stream}, exit code ${exitCode}\n${stderr}\n`);
    }
  }
}

function readReply(world: SoakWorld, token: string, stdout: string): void {
  const reply = JSON.parse(stdout) as { task?: string; task_commit?: string; answer?: string | null };
  const task = reply.task ?? reply.task_commit ?? '';
  world.acknowledged.push({ task, token });
  if (reply.answer !== undefined) world.given.push({ task, answer: reply.answer });
}

/** The most questions a bot pushes at once. */
const MAX_BATCH = 12;

/**
 * A bot with a clone of its own and nothing but git: commits some questions and pushes them as one, until
 * the signal aborts.
 */
export async function askByGit(world: SoakWorld, name: string, signal: AbortSignal): Promise<void> {
  const random = world.random(name);
  const env = world.env(name);
  const clone = join(world.bridge.dir, `clone-of-${name}`);
  const inClone = async (...args: string[]) => git(args, { cwd: clone, env: asSomebody(env, name) });
  while (!signal.aborted) {
    const made = await git(['clone', '--quiet', world.bridge.sshUrl, clone], { env });
    if (made.exitCode === 0) break;
    await rm(clone, { recursive: true, force: true });
    await pause(500, signal);
  }
  while (!signal.aborted) {
    await pause(random.wait(1500), signal);
    await world.room(signal);
    const drafts = Array.from({ length: random.int(1, MAX_BATCH) }, () => draft(world, random));
    for (let attempt = 0; attempt < 5 && !signal.aborted; attempt += 1) {
      // A bot's own clone is the bot's to mend: it asks with no memory of what it had there.
      for (const lock of [
        'index.lock',
        'HEAD.lock',
        'refs/heads/main.lock',
        'refs/remotes/origin/main.lock',
        'packed-refs.lock',
      ])
        await rm(join(clone, '.git', lock), { force: true });
      const fetched = await inClone(
        'fetch',
        '--quiet',
        'origin',
        '+refs/heads/main:refs/remotes/origin/main',
      );
      if (fetched.exitCode !== 0) continue;
      const reset = await inClone('reset', '--quiet', '--hard', 'origin/main');
      if (reset.exitCode !== 0) continue;
      const commits = await commitDrafts(clone, asSomebody(env, name), drafts);
      if (commits === null) continue;
      const pushed = await inClone('push', '--porcelain', 'origin', 'HEAD:refs/heads/main');
      if (pushed.exitCode === 0) {
        world.asks.add('pushed by a bot', drafts.length);
        for (const { task, token } of commits) if (token !== null) world.acknowledged.push({ task, token });
        break;
      }
      // Said to be rejected, they are not on main, and the same may be asked again. Otherwise nobody knows.
      if (!/^!.*\[(?:remote )?rejected\]/m.test(pushed.stdout)) {
        world.asks.add('perhaps pushed by a bot', drafts.length);
        await world.note('bot.txt', `${pushed.exitCode}: ${pushed.stdout}${pushed.stderr}\n`);
        break;
      }
      await world.note('bot.txt', `${pushed.stdout}${pushed.stderr}\n`);
    }
  }
}

/** A git that hangs is ended after 45 s, and is a failed one. */
function git(args: readonly string[], options: Parameters<typeof runGit>[1]): Promise<RunResult> {
  return runGit(args, options).catch((error: Error) => ({
    exitCode: 124,
    stdout: '',
    stderr: error.message,
  }));
}

interface Draft {
  /** Null for a question that may be asked again. */
  readonly token: string | null;
  readonly file: 'task.txt' | 'task.json';
  readonly content: string;
  /** Past its time when it is asked, as from a machine that was off the net for an hour. */
  readonly isLate: boolean;
}

function draft(world: SoakWorld, random: Random): Draft {
  const isLate = random.chance(0.015);
  if (!isLate && random.chance(0.08)) {
    const content = `soak-repeat-${random.int(1, 6)}: what is asked again and again?\n`;
    return { token: null, file: 'task.txt', content, isLate };
  }
  const token = world.newToken();
  const text = prompt(token, random);
  return random.chance(0.5)
    ? { token, file: 'task.txt', content: text, isLate }
    : {
        token,
        file: 'task.json',
        content: `${JSON.stringify({ prompt: text, metadata: { from: 'bot' } })}\n`,
        isLate,
      };
}

/**
 * The commits of the drafts, one each, on the current HEAD; null where git failed. What is there already
 * makes no commit.
 */
async function commitDrafts(
  clone: string,
  env: Record<string, string>,
  drafts: readonly Draft[],
): Promise<{ task: string; token: string | null }[] | null> {
  const commits: { task: string; token: string | null }[] = [];
  for (const { token, file, content, isLate } of drafts) {
    await writeFile(join(clone, file), content);
    const at = new Date(Date.now() - (isLate ? SOAK_TTL_MS + 60_000 : 0)).toISOString();
    const dated = { ...env, GIT_AUTHOR_DATE: at, GIT_COMMITTER_DATE: at };
    const added = await git(['add', '--', file], { cwd: clone, env });
    const staged = await git(['diff', '--cached', '--quiet'], { cwd: clone, env });
    if (added.exitCode === 0 && staged.exitCode === 0) continue;
    const subject = `ask: ${token ?? 'once more'}`;
    const made = await git(['commit', '--quiet', '-m', subject], { cwd: clone, env: dated });
    const head = await git(['rev-parse', 'HEAD'], { cwd: clone, env });
    if (made.exitCode !== 0 || head.exitCode !== 0) return null;
    commits.push({ task: head.stdout.trim(), token });
  }
  return commits.length === 0 ? null : commits;
}

function asSomebody(env: Record<string, string>, name: string): Record<string, string> {
  const email = `${name}@example.invalid`;
  return {
    ...env,
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
  };
}

/**
 * Keeps `watch` running, started again when it was killed, and rewrites the file it watches as a bot would.
 */
export async function askByFile(world: SoakWorld, signal: AbortSignal): Promise<void> {
  const random = world.random('watch');
  const file = join(world.bridge.dir, 'task.txt');
  const keepWatching = async (): Promise<void> => {
    while (!signal.aborted) {
      const args = ['watch', file, '--repo', world.bridge.repoPath, '--settle', '0.1', '--name', 'watcher'];
      const ended = await runLogged(args, {
        env: world.ownerEnv,
        file: join(world.outputDir, 'watch.txt'),
        signal,
      });
      if (ended.signal !== 'SIGKILL') world.gaveUp.add(`watch: ${reasonOf(ended.output)}`);
      await pause(random.wait(700), signal);
    }
  };
  const rewrite = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(random.wait(2500), signal);
      await world.room(signal);
      const text = prompt(world.newToken(), random);
      if (random.chance(0.5)) await writeFile(file, text);
      else {
        await writeFile(`${file}.new`, text);
        await rename(`${file}.new`, file);
      }
    }
  };
  await Promise.all([keepWatching(), rewrite()]);
}

/** A question: mostly a sentence, sometimes pages. */
function prompt(token: string, random: Random): string {
  const words = random.int(3, random.chance(0.01) ? 20_000 : random.chance(0.06) ? 2000 : 60);
  return `${token}: what is ${random.int(1, 999)} + ${random.int(1, 999)}, and ${'привет words \u0001'.repeat(words)}?\n`;
}
