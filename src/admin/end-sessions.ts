import { readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A git whose input ends cleans up within milliseconds. A killed git leaves half a pack behind. */
const GRACE_MS = 500;

/** Another look finds what a session has started meanwhile, and what takes long to die on a busy machine. */
const LIMIT_MS = 10_000;
const ROUND_MS = 50;

/** Words of the commands that may end at any moment: the doorbell, a fetch, and the feeder of a push. */
const AT_ONCE = new Set(['tail', 'upload-pack', 'pack-objects', 'gate', 'cat', 'dd', 'ssh-command']);

interface Session {
  readonly pid: number;
  /** Whether it receives a push. Then it gets the time to discard that by itself. */
  readonly takesIn: boolean;
}

/**
 * Ends the processes of a key on this bridge: its doorbell, fetches and pushes. A process is recognised by
 * words in `/proc` that its own start left there, and that no other process has: LLM_BRIDGE_PRINCIPAL and
 * LLM_BRIDGE_SESSION in its environment, set by the forced command, or the forced command itself with the
 * name of the key. Returns how many processes it ended. Without `/proc` (macOS) it finds none: new commands
 * are refused there too, but an open doorbell lasts until its connection ends.
 */
export async function endSessions(repoPath: string, name: string): Promise<number> {
  const ended = new Set<number>();
  const startedAt = performance.now();
  while (performance.now() - startedAt < LIMIT_MS) {
    const sessions = await findSessions(repoPath, name);
    if (sessions.length === 0) break;
    const overdue = performance.now() - startedAt > GRACE_MS;
    for (const { pid, takesIn } of sessions) {
      if (takesIn && !overdue) continue;
      try {
        process.kill(pid, overdue ? 'SIGKILL' : 'SIGTERM');
        ended.add(pid);
      } catch {
        // It has ended by itself.
      }
    }
    await sleep(ROUND_MS);
  }
  return ended.size;
}

async function findSessions(repoPath: string, name: string): Promise<Session[]> {
  const pids = await readdir('/proc').catch(() => []);
  const paths = new Set([path.resolve(repoPath), await realpath(repoPath)]);
  const found = await Promise.all(pids.filter((pid) => /^[0-9]+$/.test(pid)).map(look));
  return found.filter((one) => one !== null);

  async function look(pid: string): Promise<Session | null> {
    const [environment, command] = await Promise.all([
      readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ]);
    const set = new Map(environment.split('\0').map((word) => [word.split('=', 1)[0], word]));
    const ofKey = set.get('LLM_BRIDGE_PRINCIPAL') === `LLM_BRIDGE_PRINCIPAL=${name}`;
    const repo = set.get('LLM_BRIDGE_SESSION')?.slice('LLM_BRIDGE_SESSION='.length) ?? '';
    const words = command.split('\0');
    const isConnection = words.some(
      (word, at) =>
        word.endsWith('/bridge/ssh-command') && isOurs(word.slice(0, -19)) && words[at + 1] === name,
    );
    if (!(ofKey && isOurs(repo)) && !isConnection) return null;
    // The `cat -u` of bridge/receive-pack read what git says. Without them git would die in the middle.
    const feeds = words.some((word) => AT_ONCE.has(path.basename(word))) && !words.includes('-u');
    return { pid: Number(pid), takesIn: !feeds };
  }

  function isOurs(repo: string): boolean {
    return paths.has(repo);
  }
}
