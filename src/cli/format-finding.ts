import pc from 'picocolors';
import type { Finding, FindingStatus } from '../admin/doctor/finding.js';
import { oneLine } from '../protocol/printable.js';

const COLOURS: Record<FindingStatus, (text: string) => string> = {
  ok: pc.green,
  warning: pc.yellow,
  broken: pc.red,
  skipped: pc.dim,
};

/** A finding as a person reads it: one line, and one more with the remedy. */
export function formatFinding({ check, status, text, remedy }: Finding): string {
  const lines = [`${COLOURS[status](status.padEnd(7))}  ${check}: ${oneLine(text)}`];
  if (remedy !== null) lines.push(`         try: ${oneLine(remedy)}`);
  return lines.join('\n');
}
