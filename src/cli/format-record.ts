import pc from 'picocolors';
import * as z from 'zod';
import { answerSchema } from '../protocol/answer.js';
import { shortId } from '../protocol/names.js';
import { oneLine, stripControls } from '../protocol/printable.js';

/** What is shown of a record; one from history has no `seq`. */
const shownSchema = z.looseObject({ ...answerSchema.shape, seq: z.int().optional(), commit: z.string() });

/** A record as a person reads it: a head line, the question, the answer. A line that is none is shown as it is. */
export function formatRecord(line: string): string {
  const parsed = shownSchema.safeParse(parse(line));
  if (!parsed.success) return `${stripControls(line)}\n`;
  const record = parsed.data;
  const number = record.seq === undefined ? '' : `${record.seq}. `;
  const source = record.model === null ? 'no model' : `${record.model} via ${record.backend ?? '?'}`;
  const time = record.cached === true ? 'cached' : `${record.latency_ms} ms`;
  const head = [
    `${number}${shortId(record.task_commit)}`,
    record.created_at,
    `${source}, ${time}, by ${record.agent}`,
  ];
  const answer =
    record.error === null
      ? stripControls(record.answer ?? '')
      : `error ${record.error.code}: ${record.error.message}`;
  return [
    pc.yellow(head.map(oneLine).join('  ')),
    ...(record.task_text === undefined ? [] : [indent(pc.dim(stripControls(record.task_text.trimEnd())))]),
    indent(record.error === null ? answer : pc.red(oneLine(answer))),
    '',
    '',
  ].join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
