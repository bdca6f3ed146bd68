import type { BridgeView, Reach } from '../bridge/bridge-view.js';
import { type BridgeAccess, connectBridge } from '../bridge/connection.js';
import { openBridgeView } from '../bridge/open-bridge-view.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { requireName } from '../protocol/names.js';
import { type Committed, commitLocal } from './commit-local.js';
import { commitRemote } from './commit-remote.js';
import type { Submission } from './submission.js';
import { loginName } from './task-draft.js';

/** Who writes: the name where no key gives one (default: the login name), and when to stop. */
export interface Writer {
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a bridge to write to it. Throws BridgeError as openBridgeView does, `usage` for the name, or `role`
 * where the key is an agent's.
 */
export async function openToWrite(
  access: BridgeAccess,
  far: Reach,
  { name, signal }: Writer,
): Promise<BridgeView> {
  if (name !== undefined) requireName(name, 'who asks');
  const view = await openBridgeView(access, far, { signal });
  const { principal } = view.terms;
  if (principal?.role !== 'agent') return view;
  await view.close();
  throw new BridgeError(`the key ${principal.name} has the role agent and cannot ask`, {
    code: 'role',
    remedy: 'use a key that was added with --role asker',
  });
}

/** The name under which this writer's commits stand on main. */
export function authorOf({ principal }: BridgeView['terms'], { name }: Writer): string {
  return principal?.name ?? name ?? loginName();
}

/** Commits a message, as commitLocal or commitRemote does. */
export async function commitToView(
  view: BridgeView,
  submission: Submission,
  writer: Writer,
): Promise<Committed> {
  const { signal } = writer;
  const { terms, connection } = view;
  const by = () => ({ name: authorOf(terms, writer), atMs: terms.serverNow() });
  if (!view.isLocal) {
    const context = { connection, ttlMs: terms.taskTtlMs, by, tried: new Set<string>() };
    // A chat that was left open for days may find its clone gone.
    return view.mended(() => commitRemote({ ...context, clone: view.repo }, submission, signal), signal);
  }
  await connectBridge(connection);
  return commitLocal(view.repo, submission, by());
}
