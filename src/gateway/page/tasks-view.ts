import { element, setText } from './element.js';
import type { Task, Waited } from './gateway.js';
import { cell, onBridge, row, shortCell, showRows, table, type View } from './view.js';
import { duration, say, type Word } from './words.js';

/** The tasks: the open ones first, then the newest of the others. */
export function openTasks(): View {
  const body = element('tbody');
  const problem = element('p', { class: 'problem', role: 'status' });
  const more = element('p', { class: 'hint' });
  const heads: Word[] = ['state', 'question', 'asker', 'agent', 'age', 'place'];
  return {
    root: element('section', { 'aria-label': say('tasks') }, problem, table('tasks', heads, body), more),
    show({ tasks, counts, attendance, bridges, now }) {
      const away = bridges.flatMap(({ name, problem: why }) => (why === null ? [] : [`${name}: ${why}`]));
      setText(problem, [...away, attendance.problem ?? ''].filter((one) => one !== '').join('; '));
      const open = tasks.filter(isOpen);
      const left = counts.pending + counts.running - open.length;
      more.textContent = left > 0 ? `${say('moreWait')}: ${left}` : '';
      const over = tasks.filter((task) => !isOpen(task)).reverse();
      showRows(
        body,
        [...open, ...over].map((task) => rowOf(task, now)),
      );
    },
  };
}

function isOpen({ state }: Task): boolean {
  return state === 'pending' || state === 'running';
}

function rowOf(task: Task, now: string): HTMLElement {
  const { work, waiting, place, about_ms: about, tokens_per_s: rate } = task;
  const since = work?.since;
  const running =
    since === null || since === undefined ? '' : ` ${duration(Date.parse(now) - Date.parse(since))}`;
  const where = [
    place === null ? '' : String(place),
    about === null ? '' : `${say('about')} ${duration(about)}`,
    ...whoIsWaited(waiting, now),
    work === null ? '' : [phaseOf(work.phase), work.model].filter((one) => one !== null).join(' '),
    rate === null ? '' : `${rate.toFixed(rate < 10 ? 1 : 0)} ${say('perSecond')}`,
  ];
  return row(
    task.task,
    shortCell('state', `${say(task.state)}${running}`),
    cell('question', element('a', { href: `#task/${task.task}` }, task.question || task.task.slice(0, 8))),
    shortCell('asker', onBridge(task.asker, task)),
    shortCell('agent', task.agent ?? ''),
    shortCell('age', duration(Date.parse(now) - Date.parse(task.asked_at))),
    cell('place', where.filter((one) => one !== '').join(' · ')),
  );
}

/** What an agent says that it does; a word of a later version is shown as it is. */
function phaseOf(phase: string | null): string | null {
  const words = { waiting: 'waitsForServer', loading: 'loading', generating: 'generating' } as const;
  const word = Object.entries(words).find(([name]) => name === phase)?.[1];
  return word === undefined ? phase : say(word);
}

/** `waits for home-pc (last seen 3 h ago)`, `pi is waking it`, and when a standby steps in. */
function whoIsWaited(waiting: Task['waiting'], now: string): string[] {
  if (waiting === null) return [];
  const { agents, waking_by: waker, standby } = waiting;
  const leftMs = standby === null ? 0 : Math.max(0, Date.parse(standby.at) - Date.parse(now));
  return [
    agents.length === 0 ? '' : `${say('waitsFor')} ${agents.map((agent) => named(agent, now)).join(', ')}`,
    waker === null ? '' : `${waker} ${say('wakes')}`,
    standby === null ? '' : `${standby.name} ${say('stepsIn')} ${duration(leftMs)}`,
  ];
}

/** `home-pc (busy)`; one that is there by its name alone. */
function named({ name, state, seen_at: seen }: Waited, now: string): string {
  const about = {
    there: null,
    busy: say('isBusy'),
    'no-model-server': say('noServer'),
    away:
      seen === null
        ? null
        : `${say('lastSeen')} ${duration(Date.parse(now) - Date.parse(seen))} ${say('ago')}`,
  }[state];
  return about === null ? name : `${name} (${about})`;
}
