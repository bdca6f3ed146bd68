import { writeBlob, writeFileCommit } from '../../../src/git/commit-file.js';
import { treeOfCommit } from '../../../src/git/git-objects.js';
import { openObjectReader } from '../../../src/git/object-reader.js';
import { updateRefs } from '../../../src/git/refs.js';
import type { Answer } from '../../../src/protocol/answer.js';
import { answerMessage, askMessage } from '../../../src/protocol/commit-message.js';
import { MAIN_REF } from '../../../src/protocol/names.js';
import { taskHash } from '../../../src/protocol/task.js';
import { type BridgeFixture, type BridgeFixtureOptions, startBridgeFixture } from '../bridge-fixture.js';

/** A task on main that a case can answer. */
export interface PlantedTask {
  readonly id: string;
  readonly hash: string;
}

/** A bridge with some history, as an attacker finds it. */
export interface HostileBridge {
  readonly fixture: BridgeFixture;
  /** Asked just now, not answered. */
  readonly open: PlantedTask;
  readonly openToo: PlantedTask;
  readonly answered: PlantedTask;
  /** Asked longer ago than the time-to-live. */
  readonly expired: PlantedTask;
  /** The answer commit of `answered`. */
  readonly answerCommit: string;
  readonly root: string;
  readonly tip: string;
  /** The raw tree of the tip. */
  readonly tipTree: Buffer;
  /** A commit under a hidden ref, and a blob without any reference. */
  readonly hidden: string;
  readonly loose: string;
}

/** A commit to put on main: a file with a text, by `name`, so long ago. */
interface Planted {
  readonly file: string;
  readonly text: string;
  readonly message: string;
  readonly name: string;
  readonly ageMs: number;
}

/** Makes the bridge. Its commits bypass the hook, as only the owner can do. */
export async function startHostileBridge(options: BridgeFixtureOptions = {}): Promise<HostileBridge> {
  const fixture = await startBridgeFixture({
    principals: [
      { name: 'home-pc', role: 'agent' },
      { name: 'other-pc', role: 'agent' },
      { name: 'bot', role: 'asker' },
    ],
    ...options,
  });
  const repo = { gitDir: fixture.repoPath, env: fixture.ownerEnv };
  const reader = openObjectReader(repo);
  try {
    const root = (await reader.info(MAIN_REF))?.id ?? '';
    let tip = root;
    const plant = async ({ file, text, message, name, ageMs }: Planted) => {
      const blob = await writeBlob(repo, Buffer.from(text));
      const by = { name, atMs: Date.now() - ageMs };
      const commit = await writeFileCommit(repo, reader, { parent: tip, file, blob, message, by });
      await updateRefs(repo, [{ ref: MAIN_REF, to: commit, from: tip }], 'test');
      tip = commit;
      return commit;
    };
    const ask = async (text: string, ageMs: number): Promise<PlantedTask> => {
      const hash = taskHash(Buffer.from(text));
      const message = askMessage({ hash, question: text });
      const id = await plant({ file: 'task.txt', text, message, name: 'bot', ageMs });
      return { id, hash };
    };
    const day = 86_400_000;
    const expired = await ask('asked long ago', 8 * day);
    const answered = await ask('answered already', 60_000);
    const answer = honestAnswer(answered, 'home-pc');
    const text = `${JSON.stringify(answer)}\n`;
    const answerCommit = await plant({
      ...{ file: 'inbox.json', text, message: answerMessage(answer) },
      ...{ name: 'home-pc', ageMs: 50_000 },
    });
    const open = await ask('2+2?', 40_000);
    const openToo = await ask('3+3?', 30_000);
    const loose = await writeBlob(repo, Buffer.from('the secret of the owner'));
    const secret = await writeFileCommit(repo, reader, {
      parent: tip,
      file: 'secret.txt',
      blob: loose,
      message: 'hidden',
      by: { name: 'owner', atMs: Date.now() },
    });
    await updateRefs(repo, [{ ref: 'refs/bridge/watch/x', to: secret, from: null }], 'test');
    const commit = await reader.read(tip);
    const tree = await reader.read(treeOfCommit(commit?.content ?? Buffer.alloc(0)) ?? '');
    if (tree === null) throw new Error('the tip has no tree');
    const tasks = { open, openToo, answered, expired };
    return { fixture, ...tasks, answerCommit, root, tip, tipTree: tree.content, hidden: secret, loose };
  } finally {
    reader.close();
  }
}

/** A valid answer to a task. */
export function honestAnswer(task: PlantedTask, agent: string): Answer {
  return {
    task_hash: task.hash,
    task_commit: task.id,
    model: 'llama3.2',
    backend: 'ollama',
    answer: '4',
    error: null,
    created_at: new Date().toISOString(),
    latency_ms: 812,
    agent,
  };
}
