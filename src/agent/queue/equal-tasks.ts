import { type Answer, isReusable } from '../../protocol/answer.js';

/** Equal tasks that are answered at the same time: one is generated, and the others wait for its answer. */
export class EqualTasks {
  readonly #answers = new Map<string, Promise<Answer>>();

  /**
   * `key`: see equalTaskKey. Returns what `reuse` makes of a reusable answer to an equal task, if one is
   * made; else what `answer` makes.
   */
  async answer(
    key: string,
    answer: () => Promise<Answer>,
    reuse: (earlier: Answer) => Answer,
  ): Promise<Answer> {
    // Look and take the place in one go, without an await between, or two tasks would both find it free.
    for (let other = this.#answers.get(key); other !== undefined; other = this.#answers.get(key)) {
      const earlier = await other.catch(() => null);
      if (earlier !== null && isReusable(earlier)) return reuse(earlier);
      if (this.#answers.get(key) === other) this.#answers.delete(key);
    }
    const mine = answer();
    // A reusable answer stays here after it is done: an equal task must find it until its commit is on main.
    this.#answers.set(key, mine);
    const forget = () => this.#answers.delete(key);
    mine.then((made) => isReusable(made) || forget(), forget);
    return mine;
  }

  /** Forgets the answers that are on main: an equal task finds them there. */
  forget(onMain: ReadonlyMap<string, unknown>): void {
    for (const key of this.#answers.keys()) if (onMain.has(key)) this.#answers.delete(key);
  }
}
