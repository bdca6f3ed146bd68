import { hasPassword } from '../process/hide-passwords.js';
import { Output } from './output.js';
import { type ExitCode, printError } from './print-error.js';
import { runCli } from './run-cli.js';

/** The one catch and the one exit of the program. */
export async function runMain(): Promise<void> {
  // Where stderr is broken, nobody can be told of it, and an agent goes on all the same.
  process.stderr.on('error', () => {});
  process.exitCode = await run();
  // An ssh that outlives its killed git holds our pipes, and a silent server could keep this process alive
  // by that, so it exits. On Windows text that was written to a pipe may still be on its way: that is waited
  // for.
  process.stderr.write('', () => process.exit());
}

async function run(): Promise<ExitCode> {
  // Others on this machine can read our command line, and the title takes its place.
  if (process.argv.some(hasPassword)) process.title = 'llm-bridge';
  try {
    return await runCli(process.argv.slice(2), { out: new Output(process.stdout), env: process.env });
  } catch (error) {
    return printError(error);
  }
}
