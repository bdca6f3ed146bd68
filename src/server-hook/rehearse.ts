import { readBridgeSettings } from '../bridge/bridge-settings.js';
import { openObjectReader } from '../git/object-reader.js';
import { readHistory } from '../git/read-history.js';
import { rememberObjects } from '../git/remember-objects.js';
import type { Repository } from '../git/run-git.js';
import { messageOf } from '../protocol/history.js';
import { MAIN_REF } from '../protocol/names.js';
import { openCitations } from '../rules/citations.js';
import type { PushContext } from '../rules/push-context.js';
import { judgeAloud, RULES } from './judge-push.js';
import { readPrincipal } from './read-principal.js';

/**
 * Judges the newest commit of main once more, and drops what comes of it: what a program does for the first
 * time takes it several times as long, and otherwise a push would wait for that. The commit is judged first
 * as a whole push, which ends early, because main has it already; then by each rule by itself, whatever the
 * others say. Decides nothing, and never throws.
 */
export async function rehearse(repo: Repository, env: NodeJS.ProcessEnv): Promise<void> {
  const commits = await readHistory(repo, { from: [MAIN_REF], maxCount: 2 }).catch(() => []);
  const [before, newest] = commits;
  if (before === undefined || newest === undefined) return;
  const stdin = `${before.id} ${newest.id} ${MAIN_REF}\n`;
  await judgeAloud({ repo, stdin, env, nowMs: Date.now(), packCopy: null });
  const reader = rememberObjects(openObjectReader(repo));
  const incoming = { loose: [], packed: [] };
  try {
    const who = await readPrincipal(repo.gitDir, env);
    const principal = 'code' in who ? null : who.principal;
    const settings = await readBridgeSettings(repo);
    const idBytes = newest.id.length === 64 ? 32 : 20;
    const citations = openCitations({
      ...{ repo, reader, principal, settings: Promise.resolve(settings), idBytes, incoming },
      packCopy: null,
    });
    const push: PushContext = {
      ...{ repo, reader, principal, settings, citations, incoming, recent: commits, nowMs: Date.now() },
      besides: new Set(),
      update: { oldId: before.id, newId: newest.id, ref: MAIN_REF },
      commits: [newest],
      messages: [messageOf(newest)],
    };
    for (const rule of RULES) await Promise.resolve(rule(push)).catch(() => null);
    citations.close();
  } catch {
    // The push finds out by itself.
  } finally {
    reader.close();
  }
}
