import { open } from 'node:fs/promises';
import { type LogRecord, logRecordSchema } from '../../src/protocol/log-record.js';
import { waitUntil } from '../support/wait-until.js';

/** Reads `answers.log` as it grows. */
export interface LogFollower {
  /** The record of this task, once it is there. */
  recordOf(task: string): Promise<LogRecord>;
  /** All records that came since it was opened. */
  records(): Promise<readonly LogRecord[]>;
}

/** Follows a log from its present end. */
export async function followLog(file: string): Promise<LogFollower> {
  const records: LogRecord[] = [];
  let rest = '';
  let offset = await sizeOf(file);
  async function more(): Promise<readonly LogRecord[]> {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size === offset) return records;
      const bytes = Buffer.alloc(size - offset);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
      offset += bytesRead;
      const lines = (rest + bytes.toString('utf8', 0, bytesRead)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) records.push(logRecordSchema.parse(JSON.parse(line)));
      return records;
    } finally {
      await handle.close();
    }
  }
  return {
    records: more,
    recordOf: (task) =>
      waitUntil(
        async () => (await more()).find((record) => record.task_commit === task),
        `the answer to ${task} in the log`,
        60_000,
      ),
  };
}

async function sizeOf(file: string): Promise<number> {
  const handle = await open(file, 'r');
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}
