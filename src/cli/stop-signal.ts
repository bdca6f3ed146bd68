import { BridgeError } from '../protocol/bridge-error.js';

/** Makes a signal that aborts at the first Ctrl-C or SIGTERM. The second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    // 128 + the number of the signal, as a shell reports it.
    if (controller.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143);
    controller.abort(new BridgeError(`stopped by ${name}`, { code: 'stopped', remedy: 'run it again' }));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
