import type { Ability } from '../../protocol/models.js';
import { Foresight } from './foresight.js';

/** How many models are remembered. With one more, the one that was noted first is forgotten. */
const MAX_REMEMBERED = 1000;

/** A map with a bound: it forgets the value that was set first. */
export class BoundedMap<Value> {
  readonly #values = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= MAX_REMEMBERED) break;
      this.#values.delete(oldest);
    }
  }
}

/**
 * What an agent remembers of model servers from one task to the next. All of it may be lost without harm.
 */
export class BackendMemory {
  /** The context that a model was last asked to have, in tokens, by address and model. */
  readonly contexts = new BoundedMap<number>();
  /** What a model can do, by its digest, for servers that do not say so in their list. */
  readonly abilities = new BoundedMap<{ readonly can: readonly Ability[]; readonly canChat: boolean }>();
  /** The model that was asked last, by the address of its server: the likeliest to be asked next. */
  readonly asked = new BoundedMap<string>();
  /** What the servers say of their models, asked while a task is fetched. */
  readonly foresight = new Foresight();
}
