import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { readSmallFile, unless } from '../process/durable-file.js';
import { GROUP_MODES } from '../process/group-files.js';
import { isRunning } from '../process/is-running.js';
import { readStrictJson } from '../protocol/strict-json.js';
import { instantSchema } from '../protocol/task.js';

/** What a gateway says of itself while it runs. */
const gatewaySchema = z.strictObject({
  url: z.string().regex(/^http:\/\/[0-9a-f.:[\]]{1,64}$/, 'must be an address: http://127.0.0.1:11435'),
  pid: z.int().positive(),
  started_at: instantSchema,
});
type SaidGateway = z.infer<typeof gatewaySchema>;

/** A gateway of this machine. */
export interface ListedGateway extends SaidGateway {
  /** False where its process is gone, but what it said is still there. */
  readonly isRunning: boolean;
}

/**
 * Says in a gatewayFolder that a gateway runs here, for `status` and `doctor`. Returns the function that
 * takes that back. Nothing depends on it: a gateway that could not say so is only not shown.
 */
export async function announceGateway(
  folder: string,
  gateway: { readonly url: string; readonly nowMs: number },
): Promise<() => Promise<void>> {
  const { url, nowMs } = gateway;
  const file = path.join(folderIn(folder), `${url.replace(/[^0-9a-f]+/g, '-')}.json`);
  const said: SaidGateway = { url, pid: process.pid, started_at: new Date(nowMs).toISOString() };
  try {
    const made = await mkdir(folderIn(folder), { recursive: true, mode: GROUP_MODES.folder });
    // A service has a umask that shuts the group out. In a user's home, what lies above it stays so.
    if (made !== undefined) await chmod(folderIn(folder), GROUP_MODES.folder);
    await writeFileAtomic(file, `${JSON.stringify(said)}\n`, { mode: GROUP_MODES.file });
  } catch {
    return async () => {};
  }
  return () => rm(file, { force: true }).catch(() => {});
}

/** The gateways that run here, and those that were killed, by address. */
export async function listGateways(folder: string): Promise<ListedGateway[]> {
  const names = (await readdir(folderIn(folder)).catch(unless('ENOENT', 'ENOTDIR', 'EACCES'))) ?? [];
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => {
      const text = readSmallFile(path.join(folderIn(folder), name)) ?? '';
      const read = readStrictJson(Buffer.from(text, 'latin1'), gatewaySchema);
      return read.ok ? [{ ...read.value, isRunning: isRunning(read.value.pid) }] : [];
    });
}

function folderIn(folder: string): string {
  return path.join(folder, 'gateways');
}
