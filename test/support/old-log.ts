import { NO_TASK } from '../../src/protocol/log-record.js';

/** The same log as protocol 1 wrote it: its records say nothing of their tasks. */
export function asOfProtocol1(log: string): string {
  const added = new Set([...Object.keys(NO_TASK), 'metadata']);
  return log.replace(/.+/g, (line) => {
    const record = Object.entries(JSON.parse(line) as Record<string, unknown>);
    return JSON.stringify(Object.fromEntries(record.filter(([key]) => !added.has(key))));
  });
}
