#!/usr/bin/env node
import { printError } from './print-error.js';
import { runCli } from './run-cli.js';

// The one catch and the one exit of the program. A reader that went away (`llm-bridge log | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
try {
  process.exitCode = await runCli(process.argv.slice(2));
} catch (error) {
  process.exitCode = printError(error);
}
