/** Where the lines of a chat come from. */
export interface LineSource {
  /** The next line, or a text that was pasted, of several lines; null where there is no more. */
  next(prompt: string): Promise<string | null>;
  /** What to do at Ctrl-C while nothing is read; null: nothing. */
  onInterrupt(act: (() => void) | null): void;
  /** Ctrl-C by a signal, which does what the key does. */
  interrupt(): void;
  /** Nothing more is read, what goes on is interrupted, and a terminal is left as it was. */
  close(): void;
}
