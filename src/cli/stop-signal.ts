import { BridgeError } from '../protocol/bridge-error.js';

/** Makes a signal that aborts at the first Ctrl-C or SIGTERM. The second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) stopNow(name);
    controller.abort(new BridgeError(`stopped by ${name}`, { code: 'stopped', remedy: 'run it again' }));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/** Ends the process at once, at the second Ctrl-C. */
export function stopNow(name: NodeJS.Signals): never {
  // 128 + the number of the signal, as a shell reports it.
  process.exit(name === 'SIGINT' ? 130 : 143);
}
