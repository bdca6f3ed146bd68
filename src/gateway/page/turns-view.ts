import type { Turn } from './conversation.js';
import { arrange, element, setText } from './element.js';
import { say } from './words.js';

/** The turns of a conversation as they are shown. */
export interface TurnsView {
  readonly root: HTMLElement;
  /**
   * Brings them up to date, and leaves what is unfolded, focused or selected. `model`: who answers where a
   * turn does not say it. `isWaiting`: the last answer is not over.
   */
  show(turns: readonly Turn[], now: { readonly model: string; readonly isWaiting: boolean }): void;
}

interface TurnView {
  readonly root: HTMLElement;
  show(isWaiting: boolean): void;
}

/** Opens the view of a conversation. */
export function openTurns(): TurnsView {
  const views = new WeakMap<Turn, TurnView>();
  const root = element('ol', {
    class: 'turns',
    'aria-live': 'polite',
    'aria-label': say('chat'),
    tabindex: '0',
  });
  return {
    root,
    show(turns, { model, isWaiting }) {
      const shown = turns.map((turn) => {
        const view = views.get(turn) ?? openTurn(turn, turn.model ?? model);
        views.set(turn, view);
        view.show(isWaiting && turn === turns.at(-1));
        return view.root;
      });
      arrange(root, shown);
    },
  };
}

function openTurn(turn: Turn, model: string): TurnView {
  const root = element('li', { class: turn.role });
  const name = element('strong', {}, turn.role === 'user' ? say('you') : model);
  const thought = element('p', { class: 'text' });
  const thinking = element('details', {}, element('summary', {}, say('thinking')), thought);
  const images = turn.images.map((image) => element('img', { src: image, alt: say('attached') }));
  const text = element('p', { class: 'text' });
  const waiting = element('p', { class: 'hint' }, say('waiting'));
  const problem = element('p', { class: 'problem', role: 'alert' });
  const link = element('a', { class: 'hint' });
  return {
    root,
    show(isWaiting) {
      const { task = '', failed = '' } = turn;
      setText(thought, turn.thinking);
      setText(text, turn.text);
      setText(problem, failed);
      setText(link, task.slice(0, 8));
      link.href = `#task/${task}`;
      arrange(root, [
        name,
        ...(turn.thinking === '' ? [] : [thinking]),
        ...images,
        text,
        ...(isWaiting && turn.text + turn.thinking === '' ? [waiting] : []),
        ...(failed === '' ? [] : [problem]),
        ...(task === '' ? [] : [link]),
      ]);
    },
  };
}
