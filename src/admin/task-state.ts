/**
 * What became of a task. `running`: an agent says that it works on it. `error`: it is answered with an
 * error. `cancelled`: it is cancelled, whether that was answered or not. `expired`: nobody answered in time.
 */
export const TASK_STATES = ['pending', 'running', 'done', 'error', 'cancelled', 'expired'] as const;
export type TaskState = (typeof TASK_STATES)[number];
