import { spawn } from 'node:child_process';
import path from 'node:path';
import type { KeyPair } from '../../src/admin/make-key-pair.js';
import { sshOptionsFor } from '../../src/demo/ssh-client.js';
import { MAIN_REF } from '../../src/protocol/names.js';
import { waitUntil } from '../support/wait-until.js';
import { type Lab, type LabBridge, sshCommand, sshUrlOf } from './lab.js';
import { runProgram } from './run-program.js';

/** What one exchange costs with nothing but git. Milliseconds. */
export interface FloorTimes {
  readonly fetchMs: number;
  readonly pushMs: number;
  /** Two runs of `node -e 0`, one after the other. */
  readonly nodeMs: number;
}

/**
 * Bare git over an open connection: a plain repository without hooks, with git's own settings, and a clone
 * of it.
 */
export interface Floor {
  /** Fetches a task's commit and pushes its answer's, the same objects as those of the bridge. */
  replay(exchange: { readonly task: string; readonly answer: string }): Promise<FloorTimes>;
  /** Pushes a commit of one small file; milliseconds. */
  pushOne(index: number): Promise<number>;
}

/** An ssh connection that stays open, by a key; answers the words that make ssh ride on it. */
export async function openConnection(lab: Lab, name: string, key: KeyPair = lab.plainKey): Promise<string[]> {
  const control = path.join(lab.dir, `mux-${name}`);
  const options = sshOptionsFor(lab.sshd, key.identityFile);
  const where = `${lab.sshd.user}@${lab.sshd.host}`;
  const master = spawn('ssh', [...options, '-M', '-N', '-o', `ControlPath=${control}`, where], {
    env: lab.env,
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => master.once('close', () => resolve()));
  lab.defer(async () => {
    master.kill();
    await ended;
  });
  const check = ['-o', `ControlPath=${control}`, '-O', 'check', where];
  await waitUntil(
    () =>
      runProgram('ssh', check, { env: lab.env }).then(
        () => true,
        () => false,
      ),
    'ssh connects',
  );
  return ['-o', `ControlPath=${control}`, '-o', 'ControlMaster=no'];
}

/** Makes one with the history of a bridge as it is now. */
export async function openFloor(lab: Lab, bridge: LabBridge): Promise<Floor> {
  const bare = path.join(lab.dir, `floor-${bridge.name}.git`);
  const clone = path.join(lab.dir, `floor-clone-${bridge.name}.git`);
  await runProgram('git', ['clone', '--quiet', '--bare', '--local', bridge.repoPath, bare], { env: lab.env });
  const depth = ['clone', '--quiet', '--bare', '--depth=50', `file://${bare}`, clone];
  await runProgram('git', depth, { env: lab.env });
  const mux = await openConnection(lab, `floor-${bridge.name}`);
  const env = { ...lab.env, GIT_SSH_COMMAND: sshCommand(lab, lab.plainKey, mux) };
  const url = sshUrlOf(lab, bare);

  /** Brings the objects of a commit and none of its refs. */
  async function copy(commit: string, to: string): Promise<void> {
    const ids = await lab.git(bridge.repoPath, [
      'rev-list',
      '--objects',
      '--no-object-names',
      `${commit}^..${commit}`,
    ]);
    for (const id of ids.split('\n')) {
      const type = await lab.git(bridge.repoPath, ['cat-file', '-t', id]);
      const { stdout } = await runProgram('sh', ['-c', COPY, 'copy', bridge.repoPath, to, type, id], {
        env: lab.env,
      });
      if (stdout.trim() !== id) throw new Error(`${id} was copied as ${stdout.trim()}`);
    }
  }
  const push = (commit: string) =>
    runProgram('git', ['--git-dir', clone, 'push', '--quiet', url, `${commit}:${MAIN_REF}`], { env });

  return {
    async replay({ task, answer }) {
      await copy(task, bare);
      await lab.git(bare, ['update-ref', MAIN_REF, task]);
      const fetchArgs = ['fetch', '--quiet', '--no-tags', '--no-auto-maintenance', url];
      const fetched = await runProgram(
        'git',
        ['--git-dir', clone, ...fetchArgs, `+${MAIN_REF}:refs/remotes/floor`],
        { env },
      );
      await copy(answer, clone);
      const pushed = await push(answer);
      const first = await runProgram(process.execPath, ['-e', '0'], { env: lab.env });
      const second = await runProgram(process.execPath, ['-e', '0'], { env: lab.env });
      return {
        fetchMs: fetched.elapsedMs,
        pushMs: pushed.elapsedMs,
        nodeMs: first.elapsedMs + second.elapsedMs,
      };
    },
    async pushOne(index) {
      const tip = await lab.git(bare, ['rev-parse', MAIN_REF]);
      const blob = await lab.git(clone, ['hash-object', '-w', '--stdin'], { input: [`answer ${index}\n`] });
      const tree = await lab.git(clone, ['mktree'], { input: [`100644 blob ${blob}\tinbox.json\n`] });
      const identity = ['-c', 'user.name=floor', '-c', 'user.email=floor@llm-bridge.invalid'];
      const args = [...identity, 'commit-tree', tree, '-p', tip, '-m', `answer ${index}`];
      await lab.git(clone, ['fetch', '--quiet', '--depth=1', bare, MAIN_REF]);
      const { stdout } = await runProgram('git', args, { env: { ...lab.env, GIT_DIR: clone } });
      return (await push(stdout.trim())).elapsedMs;
    },
  };
}

const COPY =
  'git --git-dir="$1" cat-file "$3" "$4" | git --git-dir="$2" hash-object -t "$3" -w --stdin --no-filters';
