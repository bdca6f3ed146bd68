import { type Claim, MAX_CLAIM_BYTES, readClaim } from '../protocol/claim.js';
import { MAX_PRESENCE_BYTES, type Presence, readPresence } from '../protocol/presence.js';
import type { ObjectReader } from '../git/object-reader.js';
import { listRefs } from '../git/refs.js';
import type { Repository } from '../git/run-git.js';

/** The claims and presences of a bridge. A value is null where the blob is none that this version can read. */
export interface SideRefs {
  /** By task. */
  readonly claims: ReadonlyMap<string, { readonly id: string; readonly claim: Claim | null }>;
  /** By agent. */
  readonly agents: ReadonlyMap<string, { readonly id: string; readonly presence: Presence | null }>;
}

/** Reads them: under `refs/bridge/` on the server, under REMOTE_PREFIX in a clone that fetched them. */
export async function readSideRefs(
  repo: Repository,
  reader: ObjectReader,
  prefix = 'refs/bridge/',
): Promise<SideRefs> {
  const claims = new Map<string, { id: string; claim: Claim | null }>();
  const agents = new Map<string, { id: string; presence: Presence | null }>();
  for (const { ref, id } of await listRefs(repo, prefix)) {
    const [kind = '', name = '', ...more] = ref.slice(prefix.length).split('/');
    if (name === '' || more.length > 0) continue;
    if (kind === 'claims') {
      const blob = await reader.read(id, MAX_CLAIM_BYTES);
      const read = readClaim(blob?.content ?? Buffer.alloc(0));
      claims.set(name, { id, claim: read.ok ? read.value : null });
    } else if (kind === 'agents') {
      const blob = await reader.read(id, MAX_PRESENCE_BYTES);
      const read = readPresence(blob?.content ?? Buffer.alloc(0));
      agents.set(name, { id, presence: read.ok ? read.value : null });
    }
  }
  return { claims, agents };
}
