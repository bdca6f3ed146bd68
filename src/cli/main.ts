#!/usr/bin/env node
import { printError } from './print-error.js';
import { runCli } from './run-cli.js';

// Installed, it is started by bin/llm-bridge.js. The one catch and the one exit of the program. A reader that went away (`llm-bridge log | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
try {
  process.exitCode = await runCli(process.argv.slice(2));
} catch (error) {
  process.exitCode = printError(error);
}
// An ssh that outlives its killed git holds our pipes, and would hold our end for as long as a silent server lets it.
// On Windows what was written to a pipe may still be on its way, so that is waited for.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
