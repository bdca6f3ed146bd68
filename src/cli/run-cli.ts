import yargs from 'yargs';
import { BridgeError } from '../protocol/bridge-error.js';
import { agentCommand } from './commands/agent.js';
import { askCommand } from './commands/ask.js';
import { demoCommand } from './commands/demo.js';
import { ingestCommand } from './commands/ingest.js';
import { initCommand } from './commands/init.js';
import { keyCommand } from './commands/key.js';
import { logCommand } from './commands/log.js';
import { statusCommand } from './commands/status.js';
import { watchCommand } from './commands/watch.js';
import { packageVersion } from './package-version.js';
import { EXIT } from './print-error.js';

/** A command's way to say how it ended. */
export interface ExitState {
  code: number;
}

/** Parses the command line, runs its command and answers the exit code. Throws what the command threw. */
export async function runCli(args: readonly string[]): Promise<number> {
  const exit: ExitState = { code: EXIT.done };
  await yargs([...args])
    .scriptName('llm-bridge')
    .usage(
      '$0 <command>\n\nUse the language model on your home PC from a server, through a bare git repository over SSH.',
    )
    .parserConfiguration({
      'parse-positional-numbers': false,
      'parse-numbers': false,
      'duplicate-arguments-array': true,
    })
    .env('LLM_BRIDGE')
    .command(initCommand(exit))
    .command(keyCommand(exit))
    .command(askCommand(exit))
    .command(watchCommand(exit))
    .command(agentCommand(exit))
    .command(logCommand(exit))
    .command(statusCommand(exit))
    .command(ingestCommand(exit))
    .command(demoCommand(exit))
    .completion('completion', 'Print a script for shell completion')
    .demandCommand(1, 'a command is needed')
    .strictCommands()
    .strictOptions()
    .recommendCommands()
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .wrap(Math.min(100, process.stdout.columns ?? 80))
    .exitProcess(false)
    .fail((message, error) => {
      if (error) throw error;
      throw new BridgeError(message.split('\n')[0] ?? message, {
        code: 'usage',
        remedy: 'llm-bridge --help',
      });
    })
    .parseAsync();
  return exit.code;
}
