import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { answerStubs } from '../../src/server-hook/answer-stubs.js';
import { hookWork } from './hooks-here.js';
import { onCleanup } from './on-cleanup.js';
import { runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';

/**
 * Has this process answer the hooks of all pushes to a bridge by its path, whoever makes them: an agent or a
 * gateway, here or in a process of its own. `hooksHere` is for a git that the test starts itself. The stubs
 * get a few lines that make two FIFOs and ring; from there on they ask as those of a push over ssh do.
 */
export async function serveHooks(repoPath: string, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = await tempDir();
  const fifo = join(folder, 'ring');
  const made = await runProcess('mkfifo', [fifo], { env });
  if (made.exitCode !== 0) throw new Error(`mkfifo: ${made.stderr}`);
  const ring = readFifo(fifo);
  onCleanup(() => void ring.destroy());
  ring.setEncoding('utf8').on('data', (text: string) => {
    for (const pid of text.split('\n'))
      if (pid !== '') answer(join(folder, pid), repoPath, env).catch(() => {});
  });
  const lines = [
    `if [ -z "\${LLM_BRIDGE_STANDBY-}\${LLM_BRIDGE_PRINCIPAL-}" ]; then`,
    `  mkfifo '${folder}'/$$.asks '${folder}'/$$.hears && echo $$ >'${fifo}'`,
    `  exec 8>'${folder}'/$$.asks 9<'${folder}'/$$.hears`,
    '  LLM_BRIDGE_STANDBY=yes',
    'fi',
  ];
  for (const name of ['pre-receive', 'post-receive']) {
    const file = join(repoPath, 'hooks', name);
    const stub = await readFile(file, 'utf8');
    await writeFile(
      file,
      stub.replace(/^unset NODE_OPTIONS .*\n/m, (unset) => `${unset}${lines.join('\n')}\n`),
    );
  }
}

/** Answers the one question of a stub. */
async function answer(place: string, repoPath: string, env: NodeJS.ProcessEnv): Promise<void> {
  const questions = readFifo(`${place}.asks`);
  const answers = openFifo(`${place}.hears`);
  const say = (line: string) => void writeSync(answers, `${line}\n`);
  try {
    const question = await readQuestion(questions);
    const work = hookWork(repoPath, env);
    if (question === 'post-receive\n') say(`taken ${await work.takeIn()}`);
    else await answerStubs(Readable.from([Buffer.from(question)]), say, work);
  } finally {
    // Without an answer the stub starts its hook.
    closeSync(answers);
    questions.destroy();
    await rm(`${place}.asks`, { force: true });
    await rm(`${place}.hears`, { force: true });
  }
}

async function readQuestion(questions: Socket): Promise<string> {
  let text = '';
  for await (const piece of questions.setEncoding('utf8')) {
    text += piece;
    if (text === 'post-receive\n' || text.endsWith('\n.\n')) break;
  }
  return text;
}

function readFifo(file: string): Socket {
  return new Socket({ fd: openFifo(file), readable: true, writable: false });
}

/** For both, so that it opens at once and does not end. */
function openFifo(file: string): number {
  return openSync(file, constants.O_RDWR | constants.O_NONBLOCK);
}
