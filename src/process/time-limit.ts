/**
 * A signal that aborts with the first of `signals`, or after `ms` milliseconds with a TimeoutError. It keeps
 * no process alive. `AbortSignal.any` with an `AbortSignal.timeout` in it will not do: Node 20 collects that
 * timeout while it is awaited, and then nothing is ever aborted (seen on 20.20.2, not on 22.23 and 24.21).
 */
export function timeLimit(ms: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const limit = new AbortController();
  const over = () => limit.abort(new DOMException('the time for this is over', 'TimeoutError'));
  setTimeout(over, ms).unref();
  return AbortSignal.any([limit.signal, ...signals]);
}
