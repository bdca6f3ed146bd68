import { checked, codeOf, messageOf, Refused } from './gateway.js';

/** The errors of a task that goes on: the same call, sent again, joins it. */
const GOES_ON: readonly (string | null)[] = ['still_waiting', 'started_again', 'stream_lost'];

/** Milliseconds before a call is sent again. */
const AGAIN_MS = 1_000;

/** A piece of an answer as it comes. */
export interface Piece {
  readonly text: string;
  readonly thinking: string;
}

interface ChatWatcher {
  readonly signal: AbortSignal;
  onTask(task: string): void;
  take(piece: Piece): void;
}

/**
 * Asks for a chat and calls `take` with each piece, and `again` where all of them begin anew: the task goes
 * on, as behind a PC that sleeps for longer than a call waits, and is joined again. `onTask` is told the id
 * of the task. Throws Refused for what the gateway or the model says is wrong, and the signal's reason.
 */
export async function chat(body: unknown, how: ChatWatcher & { again(): void }): Promise<void> {
  for (;;) {
    try {
      return await chatOnce(body, how);
    } catch (error) {
      if (!(error instanceof Refused && GOES_ON.includes(error.code))) throw error;
      how.again();
      await pause(how.signal);
    }
  }
}

/** Waits before the next try. Throws the signal's reason. */
async function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, AGAIN_MS);
    signal.addEventListener('abort', stop, { once: true });
  });
}

async function chatOnce(body: unknown, how: ChatWatcher): Promise<void> {
  const response = await fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: how.signal,
  });
  const task = response.headers.get('x-llm-bridge-task');
  if (task !== null) how.onTask(task);
  if (!response.ok || response.body === null) {
    await checked(response);
    return;
  }
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const lines = (rest + read.value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const data = /^data: ?(.*)$/.exec(line.trimEnd())?.[1];
      if (data === undefined || data === '[DONE]') continue;
      const chunk = JSON.parse(data) as {
        choices?: {
          delta?: { content?: string | null; reasoning_content?: string | null; reasoning?: string | null };
        }[];
      };
      const said = messageOf(chunk);
      if (said !== null) throw new Refused(500, said, codeOf(chunk));
      const delta = chunk.choices?.[0]?.delta;
      how.take({ text: delta?.content ?? '', thinking: delta?.reasoning_content ?? delta?.reasoning ?? '' });
    }
  }
}
