import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { taskText } from '../bench/texts.js';

/** Conversations that take turns, each turn with all messages before it, as clients send them. */
export interface ResentPlan {
  readonly conversations: number;
  /** The turns to write: from this one, and up to but without that one. */
  readonly turns: readonly [from: number, to: number];
  /** The characters of a message; a turn brings a question and its answer. */
  readonly chars: number;
}

/** The bytes that were not there before: each question and each answer once. */
export function newTextOf({ conversations, turns: [from, to], chars }: ResentPlan): number {
  return conversations * (to - from) * 2 * chars;
}

/**
 * Commits them to main, each object a loose file as a push of one message leaves it. Through no hook, and
 * not synced: it is a history to be packed.
 */
export async function writeConversations(
  repo: { readonly gitDir: string; readonly env: NodeJS.ProcessEnv },
  plan: ResentPlan,
): Promise<void> {
  const args = [
    ...['-c', 'fastimport.unpackLimit=1000000000', '-c', 'core.fsync=none', '--git-dir', repo.gitDir],
    ...['fast-import', '--quiet', '--force'],
  ];
  const git = spawn('git', args, { env: repo.env, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(git, 'close');
  await pipeline(Readable.from(stream(plan)), git.stdin);
  const [code] = await ended;
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`);
}

function* stream({ conversations, turns: [from, to], chars }: ResentPlan): Generator<string> {
  const atS = Math.floor(Date.now() / 1000);
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const commit = (who: string, subject: string, file: string, text: string) =>
    `commit refs/heads/main\ncommitter ${who} <${who}@llm-bridge.invalid> ${atS} +0000\n${data(subject)}` +
    `${start}M 100644 inline ${file}\n${data(text)}`;
  let start = 'from refs/heads/main^0\n';
  for (let turn = from; turn < to; turn += 1) {
    for (let one = 0; one < conversations; one += 1) {
      const said = (at: number) => taskText(one * 1_000_000 + at, chars);
      const messages = Array.from({ length: 2 * turn + 1 }, (_, at) => ({
        role: at % 2 === 0 ? 'user' : 'assistant',
        content: said(at),
      }));
      const body = { model: 'llama3.2', messages: [{ role: 'system', content: 'Be brief.' }, ...messages] };
      const request = { path: '/v1/chat/completions', body };
      yield commit('bot', 'ask', 'task.json', JSON.stringify({ id: `${one}-${turn}`, request }));
      start = '';
      yield commit('home-pc', 'answer', 'inbox.json', JSON.stringify({ answer: said(2 * turn + 1) }));
    }
  }
}
