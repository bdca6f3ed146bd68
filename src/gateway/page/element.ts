/** What an element is made with: attributes, `on…` listeners, and `class`. */
type Attributes = Readonly<Record<string, string | boolean | number | ((event: Event) => void) | undefined>>;

type Child = Node | string | null | undefined | false | readonly Child[];

/**
 * Makes an element. Text is always text: what a model or an asker wrote never becomes markup. `true` sets an
 * attribute without a value, `false` and undefined leave it out.
 */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== undefined) made.setAttribute(key, String(value));
  }
  put(made, children);
  return made;
}

/** Makes a form that calls `send` where a browser would send it and leave the page. */
export function form(
  attributes: Attributes,
  send: () => void,
  ...children: readonly Child[]
): HTMLFormElement {
  const onsubmit = (event: Event) => {
    event.preventDefault();
    send();
  };
  return element('form', { ...attributes, onsubmit }, ...children);
}

/** Gives an element these children in place of those it has. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren();
  put(parent, children);
}

/**
 * Gives an element these children. One that is there already stays, with what is focused, selected or
 * unfolded in it.
 */
export function arrange(parent: Element, children: readonly Element[]): void {
  const focused = document.activeElement;
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  for (const [at, child] of children.entries()) {
    const there = parent.children[at];
    if (there !== child) parent.insertBefore(child, there ?? null);
  }
  // What is moved loses the focus.
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused))
    focused.focus({ preventScroll: true });
}

/** Brings a text up to date. What it had before stays, so that a screen reader says only what is new. */
export function setText(element: Element, text: string): void {
  const before = element.textContent ?? '';
  if (text === before) return;
  if (before !== '' && text.startsWith(before)) element.append(text.slice(before.length));
  else element.textContent = text;
}

function put(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) put(parent, child as readonly Child[]);
    else parent.append(child as Node | string);
  }
}
