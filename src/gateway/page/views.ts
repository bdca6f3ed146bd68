import { element, fill } from './element.js';
import { type Answered, get, post, type Record_, type State, type Task } from './gateway.js';
import { duration, say, type Word } from './words.js';

/** A part of the page that shows the state of the bridge, again whenever that changes. */
export interface View {
  readonly root: HTMLElement;
  show(state: State): void;
}

/** The tasks: the open ones first, then the newest of the others. */
export function openTasks(): View {
  const body = element('tbody');
  const problem = element('p', { class: 'problem', role: 'status' });
  const heads: Word[] = ['state', 'question', 'asker', 'agent', 'age', 'place'];
  return {
    root: element('section', { 'aria-label': say('tasks') }, problem, table('tasks', heads, body)),
    show({ tasks, attendance, now }) {
      problem.textContent = attendance.problem ?? '';
      const open = tasks.filter(isOpen);
      const over = tasks.filter((task) => !isOpen(task)).reverse();
      fill(
        body,
        [...open, ...over].map((task) => row(task, now)),
      );
    },
  };
}

function isOpen({ state }: Task): boolean {
  return state === 'pending' || state === 'running';
}

function row(task: Task, now: string): HTMLElement {
  const { work, waits_for: waits, place, about_ms: about } = task;
  const since = work?.since;
  const running =
    since === null || since === undefined ? '' : ` ${duration(Date.parse(now) - Date.parse(since))}`;
  const where = [
    place === null ? '' : String(place),
    about === null ? '' : `${say('about')} ${duration(about)}`,
    waits === null ? '' : `${say('waitsFor')} ${waits.agents.map(nameOf).join(', ')}`,
    work === null ? '' : [work.phase, work.model].filter((one) => one !== null).join(' '),
  ];
  return element(
    'tr',
    {},
    cell('state', element('span', { class: `state ${task.state}` }, `${say(task.state)}${running}`)),
    cell('question', element('a', { href: `#task/${task.task}` }, task.question || task.task.slice(0, 8))),
    cell('asker', task.asker),
    cell('agent', task.agent ?? ''),
    cell('age', duration(Date.parse(now) - Date.parse(task.asked_at))),
    cell('place', where.filter((one) => one !== '').join(' · ')),
  );
}

function nameOf(agent: unknown): string {
  return typeof agent === 'string' ? agent : ((agent as { name?: string }).name ?? '');
}

/** The agents, and which models they have. */
export function openAgents(): View {
  const agents = element('tbody');
  const models = element('tbody');
  return {
    root: element(
      'section',
      { 'aria-label': say('agents') },
      table('agents', ['agent', 'state', 'seen', 'backends', 'running'], agents),
      table('models', ['model', 'can', 'has', 'loaded'], models),
    ),
    show(state) {
      fill(
        agents,
        state.agents.map((agent) =>
          element(
            'tr',
            {},
            cell('agent', agent.name),
            cell('state', say(agent.state === 'stopped' ? 'stoppedAgent' : agent.state)),
            cell('seen', duration(agent.age_ms)),
            cell('backends', agent.backends.join(', ')),
            cell('running', String(agent.busy.length)),
          ),
        ),
      );
      fill(
        models,
        state.models.map((model) =>
          element(
            'tr',
            {},
            cell('model', model.name),
            cell('can', model.can.join(', ')),
            cell('has', model.agents.join(', ')),
            cell('loaded', say(model.loadedUntilMs === null ? 'no' : 'yes')),
          ),
        ),
      );
    },
  };
}

/** One task as it stands in the record, with its commits. */
export async function openRecord(id: string): Promise<HTMLElement> {
  const record = await get<Record_>(`/page/task/${id}`);
  const { answer } = record;
  const error = answer?.error ?? null;
  return element(
    'section',
    // What waits for its answer is shown again when that is there.
    { 'aria-label': say('record'), 'data-open': answer === null ? record.task : undefined },
    element('h2', {}, `${say('record')} ${record.task.slice(0, 8)}`),
    element(
      'dl',
      {},
      pair('commit', record.task),
      pair('asker', `${record.asker}, ${local(record.asked_at)}`),
      answer !== null && pair('agent', `${answer.agent}, ${local(answer.created_at)}`),
      answer !== null && pair('model', answer.model ?? ''),
      answer !== null && pair('commit', answer.commit),
    ),
    element('h3', {}, `${say('question')} (${record.file})`),
    block(record.text ?? say('tooLong')),
    element('h3', {}, say('answer')),
    answer?.thinking !== undefined &&
      element('details', {}, element('summary', {}, say('thinking')), block(answer.thinking)),
    error !== null && element('p', { class: 'problem' }, `${error.code}: ${error.message}`),
    answer === null ? cancelButton(record.task) : block(answer.answer ?? ''),
    element('h3', {}, say('gitCommand')),
    block(record.git),
  );
}

function cancelButton(task: string): HTMLElement {
  const said = element('p', { class: 'hint', role: 'status' }, say('none'));
  const cancel = async () => {
    said.textContent = await post('/page/cancel', { task }).then(
      () => say('cancelled'),
      (error: Error) => error.message,
    );
  };
  return element(
    'div',
    {},
    said,
    element('button', { type: 'button', onclick: () => void cancel() }, say('cancelTask')),
  );
}

/** The search in the newest answers. */
export function openSearch(): HTMLElement {
  const words = element('input', { id: 'words', type: 'search' });
  const found = element('div', { role: 'status' });
  const search = async () => {
    const answers = await get<Answered[]>(`/page/search?q=${encodeURIComponent(words.value)}`);
    fill(
      found,
      element('p', { class: 'hint' }, `${say('found')}: ${answers.length}`),
      element('ul', {}, answers.map(hit)),
    );
  };
  return element(
    'section',
    { 'aria-label': say('search') },
    element(
      'form',
      {
        onsubmit(event) {
          event.preventDefault();
          void search().catch((error: Error) => fill(found, error.message));
        },
      },
      element('label', { for: 'words' }, say('words')),
      element(
        'div',
        { class: 'row' },
        words,
        element('button', { type: 'submit', class: 'main' }, say('search')),
      ),
    ),
    found,
  );
}

function hit(answer: Answered): HTMLElement {
  return element(
    'li',
    {},
    element(
      'a',
      { href: `#task/${answer.task_commit}` },
      answer.task_text?.slice(0, 200) ?? answer.task_commit.slice(0, 8),
    ),
    element('p', { class: 'text' }, (answer.answer ?? answer.error?.code ?? '').slice(0, 300)),
    element('p', { class: 'hint' }, `${answer.agent} · ${answer.model ?? ''} · ${local(answer.created_at)}`),
  );
}

function table(label: Word, heads: readonly Word[], body: HTMLElement): HTMLElement {
  const head = heads.map((word) => element('th', { scope: 'col' }, say(word)));
  return element(
    'table',
    {},
    element('caption', {}, say(label)),
    element('thead', {}, element('tr', {}, head)),
    body,
  );
}

/** A cell; on a narrow screen its head stands in front of it. */
function cell(head: Word, ...children: (Node | string)[]): HTMLElement {
  return element('td', { 'data-head': say(head) }, children);
}

function pair(head: Word, text: string): HTMLElement[] {
  return [element('dt', {}, say(head)), element('dd', {}, text)];
}

function block(text: string): HTMLElement {
  return element('pre', { tabindex: '0' }, text);
}

function local(time: string): string {
  return new Date(time).toLocaleString();
}
