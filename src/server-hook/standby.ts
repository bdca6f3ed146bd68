/**
 * Starts the process that stands by for the hooks of a push (`standby-work.ts`) with the bytecode that an
 * earlier one left in the bridge. Without it, most of the start is V8 compiling the same program again.
 * Where the bytecode does not fit, the program is loaded from its source.
 */
import { loadWithCode } from './code-cache.js';

const program = (process.argv[1] ?? '').replace(/standby\.cjs$/, 'standby-work.cjs');
loadWithCode(program, 'bridge/standby.code');
