import { arrange, element } from './element.js';
import type { State } from './gateway.js';
import { locale, say, type Word } from './words.js';

/** A part of the page that shows the state of the bridge, again whenever that changes. */
export interface View {
  readonly root: HTMLElement;
  show(state: State): void;
}

/** A table with its name and the heads of its columns; `body` gets the rows. */
export function table(label: Word, heads: readonly Word[], body: HTMLElement): HTMLElement {
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
export function cell(head: Word, ...children: (Node | string)[]): HTMLElement {
  return element('td', { 'data-head': say(head) }, children);
}

/** The same for a name or a time, which stays on one line where there is room. */
export function shortCell(head: Word, text: string): HTMLElement {
  return element('td', { 'data-head': say(head), class: 'short', title: text }, text);
}

/** A row of a table that is shown again and again. `key`: what it is about. */
export function row(key: string, ...cells: readonly HTMLElement[]): HTMLElement {
  return element('tr', { 'data-key': key }, cells);
}

/** Shows these rows in a table. Of a row that is there already only the cells that have changed are new. */
export function showRows(body: HTMLElement, rows: readonly HTMLElement[]): void {
  const there = new Map([...body.children].map((one) => [one.getAttribute('data-key'), one]));
  arrange(
    body,
    rows.map((now) => {
      const key = now.getAttribute('data-key');
      const before = there.get(key);
      if (before === undefined) return now;
      there.delete(key);
      for (const [at, cell] of [...now.children].entries())
        if (before.children[at]?.isEqualNode(cell) === false) before.children[at]?.replaceWith(cell);
      return before;
    }),
  );
}

/** What went wrong in a call of the gateway, for a person. */
export function wordsOf(error: unknown): string {
  // A browser throws that, in its own words, where nobody answers.
  return error instanceof TypeError ? say('away') : (error as Error).message;
}

/** A time in the language of the page. */
export function local(time: string): string {
  return new Date(time).toLocaleString(locale());
}

/** A name, behind that of its bridge where there are several. */
export function onBridge(name: string, { bridge }: { readonly bridge?: string }): string {
  return bridge === undefined ? name : `${bridge}/${name}`;
}
