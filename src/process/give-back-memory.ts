import { getHeapStatistics } from 'node:v8';

/** The heap of an agent that has just started. A heap that is no larger is left alone. Bytes. */
export const SMALL_HEAP_BYTES = 32 * 1024 * 1024;

/**
 * Collects what is garbage and gives the system the pages back, if the heap has grown beyond `smallBytes`.
 * V8 does neither by itself in a program that has nothing to do: it collects when memory is asked for.
 * Everything of this process stands still meanwhile, about a tenth of a second. Returns whether it was done.
 * Never throws: a Node that is built without its inspector keeps its memory.
 */
export async function giveBackMemory(smallBytes = SMALL_HEAP_BYTES): Promise<boolean> {
  if (getHeapStatistics().total_heap_size <= smallBytes) return false;
  try {
    // The one call for it that Node documents and that needs no flag at the start of the process.
    const { Session } = await import('node:inspector/promises');
    const session = new Session();
    session.connect();
    try {
      await session.post('HeapProfiler.collectGarbage');
    } finally {
      session.disconnect();
    }
    return true;
  } catch {
    return false;
  }
}
