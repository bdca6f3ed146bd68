import type { BridgeAccess } from '../bridge/connection.js';
import { openToRead } from '../log/catch-up-log.js';
import { placesOf, readTasks, tasksContext } from './read-tasks.js';
import type { TaskRow } from './task-rows.js';

/**
 * Lists the tasks of a bridge that can be pending, in the order of asking, as of `nowMs` by its clock. Reads
 * no question and no answer. Throws BridgeError as openToRead does.
 */
export async function listTasks(
  access: BridgeAccess,
): Promise<{ readonly rows: readonly TaskRow[]; readonly nowMs: number }> {
  const view = await openToRead(access, 'window');
  try {
    const context = tasksContext(view, await view.whoWorks());
    const tasks = await readTasks(view.repo, context);
    const places = await placesOf(view.repo, tasks, context);
    return {
      rows: tasks.rows.map((row) => ({ ...row, place: places.get(row.task)?.place ?? null })),
      nowMs: context.nowMs,
    };
  } finally {
    await view.close();
  }
}
