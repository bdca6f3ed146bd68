/** Where the lines of a chat come from. */
export interface LineSource {
  /** The next line, or a text that was pasted, of several lines; null where there is no more. */
  next(prompt: string): Promise<string | null>;
  /** What to do at Ctrl-C while nothing is read; null: nothing. */
  onInterrupt(act: (() => void) | null): void;
  /** A signal, which does what the key Ctrl-C does. */
  interrupt(): void;
  /** Reads nothing more, interrupts what goes on, and leaves a terminal as it was. */
  close(): void;
}
