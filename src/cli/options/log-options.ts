import * as z from 'zod';
import { STATS_KEYS } from '../../log/answer-stats.js';
import { ANSWER_ERROR_CODES } from '../../protocol/answer.js';
import { numberValue, option } from '../option.js';
import { INSTANT_FORMS, readInstant } from '../read-instant.js';

/** How many records `log` shows to a person who does not say. */
export const SHOWN_ON_TERMINAL = 20;

/** What `log --status` takes. */
const STATUSES = ['ok', 'cached', 'error', ...ANSWER_ERROR_CODES] as const;

/** A point in time, milliseconds since the epoch. `isEnd`: a day means its end. */
function instantValue(isEnd: boolean) {
  return z.string().transform((text, context): number => {
    const at = readInstant(text, new Date(), isEnd);
    if (at !== null) return at;
    context.addIssue({ code: 'custom', message: `must be a time like ${INSTANT_FORMS}` });
    return z.NEVER;
  });
}

/** Rows of OPTIONS: which answers of the record are looked at, and how they are shown. */
export const LOG_ROWS = {
  follow: option('follow', {
    kind: 'switch',
    alias: 'f',
    describe: 'Then go on with new ones as they come, until Ctrl-C',
  }),
  newest: option('number', {
    kind: 'number',
    alias: 'n',
    value: numberValue.int().min(0),
    describe: 'Only so many, the newest',
    byDefault: `${SHOWN_ON_TERMINAL} on a terminal, all elsewhere`,
  }),
  grep: option('grep', {
    kind: 'text',
    repeatable: true,
    value: z.string().min(1, 'is empty'),
    describe:
      'Only records with this text in question, answer or error, or with one of several; capitals do not matter, and it is no pattern',
    variable: false,
  }),
  since: option('since', {
    kind: 'text',
    value: instantValue(false),
    describe: `Only from then on: ${INSTANT_FORMS}`,
    variable: false,
  }),
  until: option('until', {
    kind: 'text',
    value: instantValue(true),
    describe: 'Only before then, in the same forms; a day is meant to its end',
    variable: false,
  }),
  ofAsker: option('asker', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'Only answers to what this one asked',
  }),
  ofAgent: option('agent', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'Only answers by this one',
    variable: false,
  }),
  ofModel: option('model', {
    kind: 'text',
    value: z.string().min(1, 'is empty'),
    describe: 'Only answers of this model',
    // LLM_BRIDGE_MODEL is the model to ask, and must not hide records.
    variable: false,
  }),
  ofStatus: option('status', {
    kind: 'text',
    value: z.enum(STATUSES, { error: `must be one of ${STATUSES.join(', ')}` }),
    describe: 'Only ok, cached, error, or one code of an error, like timeout',
    variable: false,
  }),
  statsBy: option('by', {
    kind: 'text',
    choices: STATS_KEYS,
    value: z.enum(STATS_KEYS),
    describe: 'Only the figures by this',
    byDefault: 'all four',
    variable: false,
  }),
  pager: option('pager', {
    kind: 'switch',
    negated: true,
    describe: 'On a terminal: print at once, and not through a pager',
    // LLM_BRIDGE_PAGER names one.
    variable: false,
  }),
} as const;
