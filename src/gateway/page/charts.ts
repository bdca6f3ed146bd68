import uPlot from 'uplot';
import { element, fill } from './element.js';
import { get, type Hour } from './gateway.js';
import { openStats } from './stats-tables.js';
import { locale, say, type Word } from './words.js';

const CHARTS: readonly (readonly [title: Word, of: (hour: Hour) => number | null, colour: string])[] = [
  ['answersAnHour', ({ answers }) => answers, '#1a7f64'],
  ['waitSeconds', ({ wait_s }) => wait_s, '#b35900'],
  ['generateSeconds', ({ generate_s }) => generate_s, '#5b4bb5'],
  ['tokensPerSecond', ({ tokens_per_s }) => tokens_per_s, '#0b6bcb'],
];

/** What happened hour by hour, as far back as the newest answers reach. */
export async function openCharts(): Promise<HTMLElement> {
  const hours = await get<Hour[]>('/page/figures');
  const root = element('section', { 'aria-label': say('charts') });
  if (hours.length === 0) {
    fill(root, element('p', { class: 'hint' }, say('noFigures')));
    return root;
  }
  const width = Math.max(280, Math.min(900, document.documentElement.clientWidth - 40));
  // As a plain colour: a canvas knows no light-dark().
  const ink = getComputedStyle(document.body).color;
  for (const [title, of, colour] of CHARTS) {
    const values = hours.map(of);
    const known = values.filter((value) => value !== null);
    // A canvas says nothing to a screen reader: the last and the largest value do.
    const summary = `${say(title)}: ${known.at(-1) ?? 0}, ${say('most')} ${Math.max(0, ...known)}`;
    const place = element('figure', { role: 'img', 'aria-label': summary });
    root.append(element('h2', {}, say(title)), place);
    const axis = { stroke: ink, grid: { stroke: '#8884', width: 1 } };
    new uPlot(
      {
        width,
        height: 200,
        legend: { show: false },
        series: [{}, { stroke: colour, width: 2, spanGaps: true, points: { show: true, size: 6 } }],
        axes: [{ ...axis, values: (_plot, times) => times.map(timeOf) }, axis],
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
      },
      [hours.map(({ at }) => at), values],
      place,
    );
  }
  root.append(...(await openStats()));
  return root;
}

/** A time below a chart, in seconds since the epoch; the first one of each day with its date. */
function timeOf(at: number, index: number, times: readonly number[]): string {
  const date = new Date(at * 1000);
  const before = times[index - 1];
  const time = date.toLocaleTimeString(locale(), { hour: 'numeric', minute: '2-digit' });
  if (before !== undefined && new Date(before * 1000).getDate() === date.getDate()) return time;
  return `${time}\n${date.toLocaleDateString(locale(), { day: 'numeric', month: 'short' })}`;
}
