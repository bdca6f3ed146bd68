import { element } from './element.js';
import { get, type Stats } from './gateway.js';
import { cell, table } from './view.js';
import { say, type Word } from './words.js';

const TABLES: readonly (readonly [title: Word, head: Word, key: keyof Stats['by']])[] = [
  ['byModel', 'model', 'model'],
  ['byAsker', 'asker', 'asker'],
  ['byAgent', 'agent', 'agent'],
  ['byDay', 'day', 'day'],
];

/** Figures of the newest answers, by model, asker, agent and day: a table each. */
export async function openStats(): Promise<HTMLElement[]> {
  const { by } = await get<Stats>('/page/stats');
  return TABLES.map(([title, head, key]) => {
    const rows = by[key].map((row) =>
      element(
        'tr',
        {},
        cell(head, row.name ?? say('none')),
        cell('answers', String(row.answers)),
        cell('errors', String(row.errors)),
        cell('tokens', String(row.tokens)),
        cell('waitSeconds', shown(row.wait_s)),
        cell('tokensPerSecond', shown(row.tokens_per_s)),
      ),
    );
    const heads: Word[] = [head, 'answers', 'errors', 'tokens', 'waitSeconds', 'tokensPerSecond'];
    return table(title, heads, element('tbody', {}, rows));
  });
}

function shown(value: number | null): string {
  return value === null ? '' : String(value);
}
