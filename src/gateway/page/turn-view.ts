import type { Turn } from './conversation.js';
import { element } from './element.js';
import { say } from './words.js';

/** A turn as it is shown. `model`: who answers. `isWaited`: nothing of the answer is there yet. */
export function turnView(turn: Turn, model: string, isWaited: boolean): HTMLElement {
  return element(
    'li',
    { class: turn.role },
    element('strong', {}, turn.role === 'user' ? say('you') : model),
    turn.thinking !== '' &&
      element(
        'details',
        {},
        element('summary', {}, say('thinking')),
        element('p', { class: 'text' }, turn.thinking),
      ),
    turn.images.map((image) => element('img', { src: image, alt: say('attached') })),
    element('p', { class: 'text' }, turn.text),
    isWaited && element('p', { class: 'hint' }, say('waiting')),
    turn.failed !== undefined && element('p', { class: 'problem', role: 'alert' }, turn.failed),
    turn.task !== undefined &&
      element('a', { href: `#task/${turn.task}`, class: 'hint' }, turn.task.slice(0, 8)),
  );
}
