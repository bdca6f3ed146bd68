import { element } from './element.js';
import type { State } from './gateway.js';
import { say, type Word } from './words.js';

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

/** A time in the words of whoever reads it. */
export function local(time: string): string {
  return new Date(time).toLocaleString();
}

/** A name, behind that of its bridge where there are several. */
export function onBridge(name: string, { bridge }: { readonly bridge?: string }): string {
  return bridge === undefined ? name : `${bridge}/${name}`;
}
