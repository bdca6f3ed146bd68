import { openToWrite } from '../asker/commit-to-view.js';
import type { BridgeAccess } from '../bridge/connection.js';
import { BridgeCalls } from './bridge-calls.js';
import type { Calls, CallsSettings } from './calls.js';

/** Opens a bridge for the calls of a gateway. Throws BridgeError as openToWrite does. */
export async function openCalls(
  access: BridgeAccess,
  settings: CallsSettings,
  signal?: AbortSignal,
): Promise<Calls> {
  const view = await openToWrite(access, 'window', { name: settings.name, signal });
  try {
    return await BridgeCalls.open(view, settings);
  } catch (error) {
    await view.close();
    throw error;
  }
}
