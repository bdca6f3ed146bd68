import { chat } from './ask-chat.js';
import { isSaid, keepConversation, messageOf, restoredConversation, type Turn } from './conversation.js';
import { element, fill, form } from './element.js';
import { chatModels, post, type State } from './gateway.js';
import { openTurns } from './turns-view.js';
import { wordsOf } from './view.js';
import { say } from './words.js';

/**
 * The chat. What was said is kept in the browser; a reload while an answer is written asks the same call
 * again, which joins the task that nobody listens to any more.
 */
export function openChat(): { readonly root: HTMLElement; show(state: State): void } {
  let { model, turns, isOpen } = restoredConversation();
  let images: string[] = [];
  let running: { readonly abort: AbortController; task: string | null } | null = null;

  const models = element('select', { id: 'model', onchange: () => choose(models.value) });
  const log = openTurns();
  const text = element('textarea', {
    id: 'message',
    rows: 3,
    onkeydown(event) {
      const { key, shiftKey, isComposing } = event as KeyboardEvent;
      if (key !== 'Enter' || shiftKey || isComposing) return;
      event.preventDefault();
      ask();
    },
  });
  const attached = element('p', { class: 'hint', role: 'status' });
  const file = element('input', {
    id: 'image',
    type: 'file',
    accept: 'image/png,image/jpeg,image/webp,image/gif',
    multiple: true,
    onchange: () => void attach(),
  });
  const send = element('button', { type: 'submit', class: 'main' }, say('send'));
  const stop = element('button', { type: 'button', hidden: true, onclick: () => halt() }, say('stop'));
  const question = form(
    { class: 'ask' },
    () => ask(),
    element('label', { for: 'message' }, say('message')),
    text,
    element(
      'div',
      { class: 'row' },
      send,
      stop,
      element('button', { type: 'button', onclick: () => clear() }, say('fresh')),
      element('label', { for: 'image', class: 'file' }, file, say('attach')),
    ),
    attached,
  );
  const root = element(
    'section',
    { class: 'chat', 'aria-label': say('chat') },
    element('div', { class: 'row' }, element('label', { for: 'model' }, say('model')), models),
    log.root,
    question,
  );
  draw();
  if (isOpen) void answer();
  return {
    root,
    show(state) {
      const names = chatModels(state.models);
      if (names.join('\n') === [...models.options].map(({ value }) => value).join('\n')) return;
      const choices =
        names.length === 0 ? [element('option', { value: '' }, say('noModels'))] : names.map(option);
      fill(models, choices);
      models.value = names.includes(model) ? model : (names[0] ?? '');
      choose(models.value);
    },
  };

  function option(name: string): HTMLOptionElement {
    return element('option', { value: name }, name);
  }

  function choose(name: string): void {
    if (name !== '') model = name;
    keep();
  }

  function ask(): void {
    const question = text.value.trim();
    if (running !== null || (question === '' && images.length === 0)) return;
    turns.push({ role: 'user', text: question, thinking: '', images });
    text.value = '';
    images = [];
    file.value = '';
    attached.textContent = '';
    void answer();
  }

  async function answer(): Promise<void> {
    const last = turns.at(-1);
    const turn: Turn =
      last?.role === 'assistant' ? last : { role: 'assistant', model, text: '', thinking: '', images: [] };
    if (turn !== last) turns.push(turn);
    turn.text = '';
    turn.thinking = '';
    isOpen = true;
    const mine = { abort: new AbortController(), task: null as string | null };
    running = mine;
    draw();
    try {
      const body = {
        model: turn.model ?? model,
        messages: turns.slice(0, -1).filter(isSaid).map(messageOf),
        stream: true,
      };
      await chat(body, {
        signal: mine.abort.signal,
        onTask(task) {
          mine.task = task;
          turn.task = task;
          keep();
        },
        again() {
          turn.text = '';
          turn.thinking = '';
          drawTurns();
        },
        take(piece) {
          turn.text += piece.text;
          turn.thinking += piece.thinking;
          drawTurns();
        },
      });
    } catch (error) {
      turn.failed = mine.abort.signal.aborted ? say('stopped') : `${say('failed')}: ${wordsOf(error)}`;
    } finally {
      if (running === mine) running = null;
      isOpen = false;
      keep();
      draw();
      // Whoever reads elsewhere meanwhile stays there.
      const { activeElement } = document;
      if (activeElement === document.body || question.contains(activeElement)) text.focus();
    }
  }

  function halt(): void {
    if (running === null) return;
    const { abort, task } = running;
    abort.abort();
    if (task !== null) void post('/page/cancel', { task }).catch(() => {});
  }

  function clear(): void {
    halt();
    turns = [];
    keep();
    draw();
    text.focus();
  }

  async function attach(): Promise<void> {
    images = await Promise.all([...(file.files ?? [])].map(dataUrl));
    attached.textContent = images.length === 0 ? '' : `${say('attached')}: ${images.length}`;
  }

  function draw(): void {
    stop.hidden = running === null;
    send.disabled = running !== null;
    drawTurns();
    log.root.lastElementChild?.scrollIntoView({ block: 'end' });
  }

  function drawTurns(): void {
    log.show(turns, { model, isWaiting: running !== null });
  }

  function keep(): void {
    keepConversation({ model, turns, isOpen });
  }
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
