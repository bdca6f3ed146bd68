import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { PACK_COPY } from '../../src/rules/pack-copy.js';
import { answerStubs } from '../../src/server-hook/answer-stubs.js';
import { hookWork } from './hooks-here.js';
import { onCleanup } from './on-cleanup.js';
import { runProcess } from './run-process.js';
import { tempDir } from './temp-dir.js';

/**
 * Has this process answer the hooks of all pushes to a bridge, by its path or over ssh, whoever makes them:
 * an agent or a gateway, here or in a process of its own. `hooksHere` is for a git that the test starts
 * itself. The stubs get a few lines that make two FIFOs and ring; from there on they ask as they ask the
 * process that stands by for a push over ssh, and of those none is started. Its start is most of what a push
 * costs, so this is for tests that are not about how a hook is started, or killed.
 */
export async function serveHooks(repoPath: string, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = await tempDir();
  const fifo = join(folder, 'ring');
  const made = await runProcess('mkfifo', [fifo], { env });
  if (made.exitCode !== 0) throw new Error(`mkfifo: ${made.stderr}`);
  const open = new Set<Socket>();
  const ring = readFifo(fifo, open);
  // A stub that was killed before it asked has never been heard.
  onCleanup(() => {
    for (const socket of open) socket.destroy();
  });
  ring.setEncoding('utf8');
  let text = '';
  ring.on('data', (more: string) => {
    const lines = `${text}${more}`.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) answer(line.split(' '), { folder, repoPath, env, open }).catch(() => {});
  });
  await change(join(repoPath, 'bridge', 'ssh-command'), /^ {2}hook=.*$/m, () => '  hook=');
  // By its path without the name of a key, or over ssh where nobody stands by.
  const lines = [
    `if [ -z "\${LLM_BRIDGE_STANDBY-\${LLM_BRIDGE_PRINCIPAL-}}" ]; then`,
    `  place='${folder}'/$$.$PPID`,
    `  mkfifo "$place.asks" "$place.hears" && echo "$$ $PPID \${LLM_BRIDGE_PRINCIPAL-}" >'${fifo}'`,
    '  exec 8>"$place.asks" 9<"$place.hears"',
    '  LLM_BRIDGE_STANDBY=yes',
    'fi',
  ];
  for (const name of ['pre-receive', 'post-receive']) {
    const isBefore = /^unset NODE_OPTIONS .*\n/m;
    await change(join(repoPath, 'hooks', name), isBefore, (unset) => `${unset}${lines.join('\n')}\n`);
  }
}

async function change(file: string, pattern: RegExp, by: (found: string) => string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const changed = text.replace(pattern, by);
  if (changed === text) throw new Error(`${file} has no ${pattern}`);
  await writeFile(file, changed);
}

interface Served {
  readonly folder: string;
  readonly repoPath: string;
  readonly env: NodeJS.ProcessEnv;
  /** What is read at this moment. */
  readonly open: Set<Socket>;
}

/**
 * Answers the one question of the stub `pid`, in a push with the key of this name, if any. The names of its
 * FIFOs have its parent's number, too: a stub that was killed leaves its own, and its number comes again.
 */
async function answer([pid = '', parent = '', name = '']: string[], served: Served): Promise<void> {
  const { repoPath, env, open } = served;
  const place = join(served.folder, `${pid}.${parent}`);
  const answers = openFifo(`${place}.hears`);
  const questions = readFifo(`${place}.asks`, open);
  const packCopy = name === '' ? null : openPackCopy(pid);
  const say = (line: string) => void writeSync(answers, `${line}\n`);
  try {
    const question = await readQuestion(questions);
    const key = name === '' ? {} : { LLM_BRIDGE_PRINCIPAL: name, LLM_BRIDGE_SESSION: repoPath };
    const work = hookWork(repoPath, { ...env, ...key }, packCopy);
    if (question === 'post-receive\n') say(`taken ${await work.takeIn()}`);
    else await answerStubs(Readable.from([Buffer.from(question)]), say, work);
  } finally {
    // Without an answer the stub starts its hook.
    closeSync(answers);
    if (packCopy !== null) closeSync(packCopy);
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

/** The file has no name; the stub holds it open. Null where the system does not show what others hold. */
function openPackCopy(pid: string): number | null {
  try {
    return openSync(`/proc/${pid}/fd/${PACK_COPY}`, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}

function readFifo(file: string, open: Set<Socket>): Socket {
  const socket = new Socket({ fd: openFifo(file), readable: true, writable: false });
  open.add(socket);
  socket.on('close', () => open.delete(socket));
  return socket;
}

/** For both, so that it opens at once and does not end. */
function openFifo(file: string): number {
  return openSync(file, constants.O_RDWR | constants.O_NONBLOCK);
}
