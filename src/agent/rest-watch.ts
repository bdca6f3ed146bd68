/**
 * An agent rests once it has had nothing to do for this long: longer than the pauses between the questions
 * of a conversation, and over before a person looks at what uses the PC's memory. Milliseconds.
 */
export const REST_AFTER_MS = 10_000;

/** Notices that an agent has had nothing to do for a while. */
export interface RestWatch {
  /** Says at every turn whether there is work. */
  busy(isBusy: boolean): void;
  /** Ends it. */
  close(): void;
}

/** Watches. `onRest` is called once for each time that work is followed by `afterMs` without any. */
export function watchRest(onRest: () => void, afterMs: number): RestWatch {
  // The start is work: it leaves its garbage as well.
  let hasWorked = true;
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const rest = () => {
    stop();
    hasWorked = false;
    onRest();
  };
  return {
    busy(isBusy) {
      if (isBusy) {
        hasWorked = true;
        stop();
      } else if (hasWorked) timer ??= setTimeout(rest, afterMs).unref();
    },
    close: stop,
  };
}
