import { element, fill, form } from './element.js';
import { type Answered, get } from './gateway.js';
import { local, onBridge, wordsOf } from './view.js';
import { say } from './words.js';

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
    form(
      {},
      () => void search().catch((error: unknown) => fill(found, wordsOf(error))),
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
    element(
      'p',
      { class: 'hint' },
      `${onBridge(answer.agent, answer)} · ${answer.model ?? ''} · ${local(answer.created_at)}`,
    ),
  );
}
