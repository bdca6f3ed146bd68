/**
 * Starts the process that stands by for the hooks of a push (`standby-work.ts`), with the bytecode that an earlier one left in the bridge:
 * most of its start is V8 compiling the same program again. Whatever is wrong with that, the program is read as it stands.
 */
import { loadWithCode } from './code-cache.js';

const program = (process.argv[1] ?? '').replace(/standby\.cjs$/, 'standby-work.cjs');
loadWithCode(program, 'bridge/standby.code');
