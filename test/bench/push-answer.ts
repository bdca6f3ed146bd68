import path from 'node:path';
import { type Answer, writeAnswer } from '../../src/protocol/answer.js';
import { answerMessage } from '../../src/protocol/commit-message.js';
import { INBOX_FILE, MAIN_REF } from '../../src/protocol/names.js';
import { taskHash } from '../../src/protocol/task.js';
import { openConnection } from './floor.js';
import { type Lab, type LabBridge, sshCommand } from './lab.js';
import { runProgram } from './run-program.js';

/**
 * Pushes the answer to a task of a bridge as an agent does, over a connection that is open. Milliseconds.
 */
export type PushAnswer = (task: string) => Promise<number>;

/** Makes a clone of one commit to push from, and opens the connection. */
export async function openAnswerPush(lab: Lab, bridge: LabBridge): Promise<PushAnswer> {
  const clone = path.join(lab.dir, `answers-${bridge.name}.git`);
  await runProgram('git', ['init', '--quiet', '--bare', clone], { env: lab.env });
  const mux = await openConnection(lab, `answers-${bridge.name}`, bridge.agentKey);
  const env = { ...lab.env, GIT_SSH_COMMAND: sshCommand(lab, bridge.agentKey, mux) };
  const git = (args: readonly string[], input?: string | Buffer) =>
    lab.git(clone, args, { env, ...(input === undefined ? {} : { input: [input] }) });
  return async (task) => {
    const { stdout: asked } = await runProgram(
      'git',
      ['--git-dir', bridge.repoPath, 'cat-file', 'blob', `${task}:task.json`],
      { env: lab.env },
    );
    const answer: Answer = {
      task_hash: taskHash(Buffer.from(asked)),
      task_commit: task,
      task_text: (JSON.parse(asked) as { prompt: string }).prompt,
      model: 'llama3.2:latest',
      backend: 'ollama',
      answer: `The answer to ${task}.`,
      error: null,
      created_at: new Date().toISOString(),
      latency_ms: 1,
      agent: 'home-pc',
    };
    await git(['fetch', '--quiet', '--depth=1', bridge.sshUrl, `+${MAIN_REF}:refs/heads/there`]);
    const there = await git(['ls-tree', 'there']);
    const blob = await git(['hash-object', '-w', '--stdin'], writeAnswer(answer));
    const files = there.split('\n').filter((line) => !line.endsWith(`\t${INBOX_FILE}`));
    const tree = await git(['mktree'], [...files, `100644 blob ${blob}\t${INBOX_FILE}`, ''].join('\n'));
    const identity = ['-c', 'user.name=home-pc', '-c', 'user.email=home-pc@llm-bridge.invalid'];
    const commit = await git(
      [...identity, 'commit-tree', tree, '-p', 'there', '-F', '-'],
      answerMessage(answer),
    );
    const args = ['--git-dir', clone, 'push', '--quiet', bridge.sshUrl, `${commit}:${MAIN_REF}`];
    return (await runProgram('git', args, { env })).elapsedMs;
  };
}
