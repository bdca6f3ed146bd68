/** A command's way to say how it ended, where it did not throw. */
export interface ExitState {
  /** One of EXIT. */
  code: number;
}
