import 'uplot/dist/uPlot.min.css';
import './page.css';
import { openAgents } from './agents-view.js';
import { openCharts } from './charts.js';
import { Chat } from './chat.js';
import { openConnect } from './connect.js';
import { element, fill, form, setText } from './element.js';
import { chatModels, get, post, Refused, type State } from './gateway.js';
import { openRecord } from './record-view.js';
import { openSearch } from './search-view.js';
import { openTasks } from './tasks-view.js';
import { type View, wordsOf } from './view.js';
import { language, say, switchLanguage, type Word } from './words.js';

const SECTIONS = [
  'chat',
  'tasks',
  'agents',
  'search',
  'charts',
  'connect',
] as const satisfies readonly Word[];

/** How often the state is read while the page is seen, and after a failure. Milliseconds. */
const READ_MS = 2_000;
const AGAIN_MS = 5_000;

const app = document.getElementById('app') as HTMLElement;
const main = element('main', { id: 'main' });
const notice = element('p', { class: 'problem', role: 'alert' });

/** Shown only to a person who came in with a token: without one there is nothing to leave. */
const logout = element('button', { type: 'button', hidden: true, onclick: () => void leave() }, '');

let state: State | null = null;
let views: Partial<Record<string, View>> = {};
let needsLogin = false;
/** How often something was opened: what comes late is not shown in the place of what was opened after it. */
let opened = 0;

void start();

async function start(): Promise<void> {
  drawFrame();
  addEventListener('hashchange', () => void open());
  await read();
  await showLogout();
  await open();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, notice.textContent === '' ? READ_MS : AGAIN_MS));
    if (!document.hidden && !needsLogin) await read();
  }
}

async function showLogout(): Promise<void> {
  const { name } = await get<{ name: string | null }>('/page/tokens').catch(() => ({ name: null }));
  logout.hidden = name === null;
}

/** Reads the state, and shows it in all parts that were opened. */
async function read(): Promise<void> {
  try {
    state = await get<State>('/page/state');
    notice.textContent = '';
    for (const view of Object.values(views)) view?.show(state);
    const waited = main.querySelector('[data-open]')?.getAttribute('data-open');
    const task = state.tasks.find((one) => one.task === waited);
    if (task !== undefined && task.answered_at !== null) await open();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      needsLogin = true;
      logout.hidden = true;
      fill(main, loginForm());
    } else setText(notice, `${wordsOf(error)}${error instanceof Refused ? '' : ` ${say('triedAgain')}`}`);
  }
}

/** Shows what the address names. */
async function open(): Promise<void> {
  if (needsLogin) return;
  const [name = '', id = ''] = location.hash.slice(1).split('/');
  const section = SECTIONS.find((one) => one === name) ?? (name === 'task' ? 'tasks' : 'chat');
  for (const link of document.querySelectorAll('nav a'))
    if (link.getAttribute('href') === `#${section}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  opened += 1;
  const mine = opened;
  const content = await contentOf(section, id).catch((error: unknown) =>
    element('p', { class: 'problem', role: 'alert' }, wordsOf(error)),
  );
  if (mine === opened && !needsLogin) fill(main, content);
}

async function contentOf(section: (typeof SECTIONS)[number], id: string): Promise<HTMLElement> {
  if (id !== '') return await openRecord(id);
  if (section === 'search') return openSearch();
  if (section === 'charts') return await openCharts();
  if (section === 'connect') return await openConnect(chatModels(state?.models ?? [])[0] ?? '');
  views[section] ??= section === 'chat' ? new Chat() : section === 'tasks' ? openTasks() : openAgents();
  const view = views[section] as View;
  if (state !== null) view.show(state);
  return view.root;
}

function drawFrame(): void {
  logout.textContent = say('logout');
  document.documentElement.lang = language();
  const links = SECTIONS.map((name) => element('a', { href: `#${name}` }, say(name)));
  const other = element(
    'button',
    {
      type: 'button',
      lang: language() === 'ru' ? 'en' : 'ru',
      onclick() {
        switchLanguage();
        location.reload();
      },
    },
    say('language'),
  );
  fill(
    app,
    element(
      'header',
      {},
      element('h1', {}, 'llm-bridge'),
      element('nav', { 'aria-label': say('sections') }, links),
      other,
      logout,
    ),
    notice,
    main,
  );
}

function loginForm(): HTMLElement {
  const token = element('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const wrong = element('p', { class: 'problem', role: 'alert' });
  const enter = async () => {
    await post('/page/login', { token: token.value });
    needsLogin = false;
    views = {};
    await read();
    await showLogout();
    await open();
  };
  return form(
    {},
    () =>
      void enter().catch((error: unknown) => {
        wrong.textContent =
          error instanceof Refused && error.status === 401 ? say('wrongToken') : wordsOf(error);
      }),
    element('h2', {}, say('login')),
    element('p', {}, say('tokenHelp')),
    element('label', { for: 'token' }, say('token')),
    element(
      'div',
      { class: 'row' },
      token,
      element('button', { type: 'submit', class: 'main' }, say('login')),
    ),
    wrong,
  );
}

async function leave(): Promise<void> {
  await post('/page/login', { token: null }).catch(() => {});
  location.reload();
}
