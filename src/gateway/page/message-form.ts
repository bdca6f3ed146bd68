import { element, form } from './element.js';
import { say } from './words.js';

/** What a person sends: a text, pictures as data URLs, or both. */
export interface Message {
  readonly text: string;
  readonly images: readonly string[];
}

/** What the form does. */
interface FormActions {
  send(message: Message): void;
  stop(): void;
  /** Starts a new conversation. */
  clear(): void;
}

/** The form in which a message is written, with pictures, and sent: by its button, or by Enter. */
export class MessageForm {
  readonly root: HTMLElement;
  readonly #actions: FormActions;
  #images: readonly string[] = [];
  #isWaiting = false;
  readonly #text = element('textarea', {
    id: 'message',
    rows: 3,
    onkeydown: (event) => {
      const { key, shiftKey, isComposing } = event as KeyboardEvent;
      if (key !== 'Enter' || shiftKey || isComposing) return;
      event.preventDefault();
      this.#submit();
    },
  });
  readonly #attached = element('p', { class: 'hint', role: 'status' });
  readonly #file = element('input', {
    id: 'image',
    type: 'file',
    accept: 'image/png,image/jpeg,image/webp,image/gif',
    multiple: true,
    onchange: () => void this.#attach(),
  });
  readonly #send = element('button', { type: 'submit', class: 'main' }, say('send'));
  readonly #stop = element(
    'button',
    { type: 'button', hidden: true, onclick: () => this.#actions.stop() },
    say('stop'),
  );

  constructor(actions: FormActions) {
    this.#actions = actions;
    const fresh = { type: 'button', onclick: () => actions.clear() } as const;
    this.root = form(
      { class: 'ask' },
      () => this.#submit(),
      element('label', { for: 'message' }, say('message')),
      this.#text,
      element(
        'div',
        { class: 'row' },
        this.#send,
        this.#stop,
        element('button', fresh, say('fresh')),
        element('label', { for: 'image', class: 'file' }, this.#file, say('attach')),
      ),
      this.#attached,
    );
  }

  /** Shows whether an answer is being written. Nothing is sent meanwhile. */
  waits(isWaiting: boolean): void {
    this.#isWaiting = isWaiting;
    this.#stop.hidden = !isWaiting;
    this.#send.disabled = isWaiting;
  }

  focus(): void {
    this.#text.focus();
  }

  /** The same, but whoever reads elsewhere on the page stays there. */
  focusAgain(): void {
    const { activeElement } = document;
    if (activeElement === document.body || this.root.contains(activeElement)) this.focus();
  }

  #submit(): void {
    const message = { text: this.#text.value.trim(), images: this.#images };
    if (this.#isWaiting || (message.text === '' && message.images.length === 0)) return;
    this.#text.value = '';
    this.#images = [];
    this.#file.value = '';
    this.#attached.textContent = '';
    this.#actions.send(message);
  }

  async #attach(): Promise<void> {
    this.#images = await Promise.all([...(this.#file.files ?? [])].map(dataUrl));
    const count = this.#images.length;
    this.#attached.textContent = count === 0 ? '' : `${say('attached')}: ${count}`;
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
