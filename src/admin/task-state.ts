/**
 * What became of a task. `running`: an agent says that it works on it. `error`: answered with one.
 * `cancelled`: so, or about to be. `expired`: nobody answered in time.
 */
export const TASK_STATES = ['pending', 'running', 'done', 'error', 'cancelled', 'expired'] as const;
export type TaskState = (typeof TASK_STATES)[number];
