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

function put(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) put(parent, child as readonly Child[]);
    else parent.append(child as Node | string);
  }
}
