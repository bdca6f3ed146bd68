import type { BridgeView } from '../../bridge/bridge-view.js';
import { type ObjectReader, openObjectReader } from '../../git/object-reader.js';
import { readHistory } from '../../git/read-history.js';
import { BridgeError } from '../../protocol/bridge-error.js';
import { shortId } from '../../protocol/names.js';

/**
 * Reads files of the record, wherever the bridge is. A clone leaves out large files, and drops what is older
 * than a task may wait: what is missing is fetched. Close it.
 */
export class RecordFiles {
  readonly #view: BridgeView;
  #reader: { readonly gitDir: string; readonly reader: ObjectReader } | null = null;

  constructor(view: BridgeView) {
    this.#view = view;
  }

  /**
   * The file `name` (`<id>`, or `<commit>:<path>`), which came with `commit`. Throws BridgeError
   * `missing-object` where it is nowhere, and what a fetch throws: it must not look like an answer that
   * never came.
   */
  async read(name: string, commit: string): Promise<Buffer> {
    const here = await this.#open().read(name);
    if (here !== null) return here.content;
    if (!this.#view.isLocal) {
      // All of history, where the clone was cut off behind it.
      if ((await this.#open().info(commit)) === null) await this.#view.reach('all');
      const [brought] = await readHistory(this.#view.repo, { from: [commit], isWalking: false });
      if (brought !== undefined) await this.#view.requireFile(brought);
      const fetched = await this.#open().read(name);
      if (fetched !== null) return fetched.content;
    }
    throw new BridgeError(`the file of commit ${shortId(commit)} cannot be read`, {
      code: 'missing-object',
      remedy: 'run "llm-bridge doctor" on the server',
    });
  }

  close(): void {
    this.#reader?.reader.close();
  }

  /** A clone that was damaged is replaced by one in another folder, and needs another reader. */
  #open(): ObjectReader {
    const { repo } = this.#view;
    if (this.#reader?.gitDir !== repo.gitDir) {
      this.close();
      this.#reader = { gitDir: repo.gitDir, reader: openObjectReader(repo) };
    }
    return this.#reader.reader;
  }
}
