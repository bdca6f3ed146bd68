import { chat } from './ask-chat.js';
import { isSaid, keepConversation, messageOf, restoredConversation, type Turn } from './conversation.js';
import { element, fill } from './element.js';
import { chatModels, post, type State } from './gateway.js';
import { type Message, MessageForm } from './message-form.js';
import { openTurns } from './turns-view.js';
import { wordsOf } from './view.js';
import { say } from './words.js';

/** An answer that is being written. Its task is null before it is known. */
interface Running {
  readonly abort: AbortController;
  task: string | null;
}

/**
 * The chat. What was said is kept in the browser; a reload while an answer is written asks the same call
 * again, which joins the task that nobody listens to any more.
 */
export class Chat {
  readonly root: HTMLElement;
  #model: string;
  #turns: Turn[];
  #isOpen: boolean;
  #running: Running | null = null;
  readonly #models = element('select', {
    id: 'model',
    onchange: () => this.#choose(this.#models.value),
  });
  readonly #log = openTurns();
  readonly #form = new MessageForm({
    send: (message) => this.#ask(message),
    stop: () => this.#halt(),
    clear: () => this.#clear(),
  });

  constructor() {
    const kept = restoredConversation();
    this.#model = kept.model;
    this.#turns = kept.turns;
    this.#isOpen = kept.isOpen;
    this.root = element(
      'section',
      { class: 'chat', 'aria-label': say('chat') },
      element('div', { class: 'row' }, element('label', { for: 'model' }, say('model')), this.#models),
      this.#log.root,
      this.#form.root,
    );
    this.#draw();
    if (this.#isOpen) void this.#answer();
  }

  /** Offers the models that there are now. */
  show(state: State): void {
    const names = chatModels(state.models);
    if (names.join('\n') === [...this.#models.options].map(({ value }) => value).join('\n')) return;
    const options = names.map((name) => element('option', { value: name }, name));
    fill(this.#models, options.length > 0 ? options : [element('option', { value: '' }, say('noModels'))]);
    this.#models.value = names.includes(this.#model) ? this.#model : (names[0] ?? '');
    this.#choose(this.#models.value);
  }

  #choose(name: string): void {
    if (name !== '') this.#model = name;
    this.#keep();
  }

  #ask({ text, images }: Message): void {
    this.#turns.push({ role: 'user', text, thinking: '', images });
    void this.#answer();
  }

  /** Asks for the answer to the last question. One that was begun before a reload starts again. */
  async #answer(): Promise<void> {
    const turn = this.#openTurn();
    const running: Running = { abort: new AbortController(), task: null };
    this.#running = running;
    this.#isOpen = true;
    this.#draw();
    try {
      await this.#write(turn, running);
    } catch (error) {
      turn.failed = running.abort.signal.aborted ? say('stopped') : `${say('failed')}: ${wordsOf(error)}`;
    } finally {
      if (this.#running === running) this.#running = null;
      this.#isOpen = false;
      this.#keep();
      this.#draw();
      this.#form.focusAgain();
    }
  }

  /** The turn of the answer, empty. */
  #openTurn(): Turn {
    const last = this.#turns.at(-1);
    if (last?.role === 'assistant') return emptied(last);
    const turn: Turn = { role: 'assistant', model: this.#model, text: '', thinking: '', images: [] };
    this.#turns.push(turn);
    return turn;
  }

  /** Writes an answer into its turn, as it comes. */
  async #write(turn: Turn, running: Running): Promise<void> {
    const messages = this.#turns.slice(0, -1).filter(isSaid).map(messageOf);
    await chat(
      { model: turn.model ?? this.#model, messages, stream: true },
      {
        signal: running.abort.signal,
        onTask: (task) => {
          running.task = task;
          turn.task = task;
          this.#keep();
        },
        again: () => {
          emptied(turn);
          this.#drawTurns();
        },
        take: (piece) => {
          turn.text += piece.text;
          turn.thinking += piece.thinking;
          this.#drawTurns();
        },
      },
    );
  }

  #halt(): void {
    if (this.#running === null) return;
    const { abort, task } = this.#running;
    abort.abort();
    if (task !== null) void post('/page/cancel', { task }).catch(() => {});
  }

  #clear(): void {
    this.#halt();
    this.#turns = [];
    this.#keep();
    this.#draw();
    this.#form.focus();
  }

  #draw(): void {
    this.#form.waits(this.#running !== null);
    this.#drawTurns();
    this.#log.root.lastElementChild?.scrollIntoView({ block: 'end' });
  }

  #drawTurns(): void {
    this.#log.show(this.#turns, { model: this.#model, isWaiting: this.#running !== null });
  }

  #keep(): void {
    keepConversation({ model: this.#model, turns: this.#turns, isOpen: this.#isOpen });
  }
}

function emptied(turn: Turn): Turn {
  turn.text = '';
  turn.thinking = '';
  return turn;
}
