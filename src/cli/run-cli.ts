import yargs from 'yargs';
import { packageVersion } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { joinLines } from '../protocol/printable.js';
import { agentCommand } from './commands/agent.js';
import { answerCommand } from './commands/answer.js';
import { askCommand } from './commands/ask.js';
import { cancelCommand } from './commands/cancel.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { ingestCommand } from './commands/ingest.js';
import { initCommand } from './commands/init.js';
import { keyCommand } from './commands/key.js';
import { listCommand } from './commands/list.js';
import { logCommand } from './commands/log.js';
import { serviceCommand } from './commands/service.js';
import { statusCommand } from './commands/status.js';
import { verifyCommand } from './commands/verify.js';
import { watchCommand } from './commands/watch.js';
import { optionsFromEnvironment } from './environment-options.js';
import { EXIT, type ExitState } from './print-error.js';

/** yargs' words for what is wrong, where its own leave a person guessing. */
const WORDING = {
  'Not enough non-option arguments: got %s, need at least %s': {
    one: 'not enough arguments: %s given, %s needed',
    other: 'not enough arguments: %s given, %s needed',
  },
  'Not enough arguments following: %s': 'the option --%s needs a value',
  'Missing required argument: %s': {
    one: 'the option --%s is missing',
    other: 'these options are missing: %s',
  },
  'Argument: %s, Given: %s, Choices: %s': '--%s is %s, and not one of %s',
  'Unknown argument: %s': { one: 'unknown option: %s', other: 'unknown options: %s' },
  'Unknown command: %s': {
    one: 'unknown command or argument: %s',
    other: 'unknown commands or arguments: %s',
  },
} as never;

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
    .middleware(optionsFromEnvironment(process.env), true)
    .command(initCommand(exit))
    .command(keyCommand(exit))
    .command(askCommand(exit))
    .command(answerCommand(exit))
    .command(cancelCommand(exit))
    .command(watchCommand(exit))
    .command(agentCommand(exit))
    .command(listCommand(exit))
    .command(logCommand(exit))
    .command(statusCommand(exit))
    .command(ingestCommand(exit))
    .command(verifyCommand(exit))
    .command(doctorCommand(exit))
    .command(serviceCommand(exit))
    .command(demoCommand(exit))
    .completion('completion', 'Print a script for shell completion: bash, or zsh where $SHELL is')
    .example('$0 demo', 'see the whole bridge work on this machine')
    .example('$0 completion >> ~/.bashrc', 'complete commands and options with the tab key')
    .demandCommand(1, 'a command is needed')
    .strictCommands()
    .strictOptions()
    .recommendCommands()
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .wrap(Math.min(100, process.stdout.columns ?? 80))
    .exitProcess(false)
    // English whatever LANG says: half of the words are ours, and people search for them.
    .locale('en')
    .updateStrings(WORDING)
    .fail((message, error) => {
      // yargs says some faults of the command line by an error of its own; any other is a command's.
      if (error && error.name !== 'YError') throw error;
      throw wrongUse(message || error.message, args);
    })
    .parseAsync();
  return exit.code;
}

/** yargs' complaint as one line, with the help of the command it is about. */
function wrongUse(complaint: string, args: readonly string[]): BridgeError {
  const message = joinLines(complaint.replace(/^Invalid values:/, ''));
  const command = COMMANDS.find((name) => args.includes(name));
  const missing = /option --repo is missing/.test(message)
    ? '; it can also be set once as LLM_BRIDGE_REPO in the environment'
    : '';
  return new BridgeError(message, {
    code: 'usage',
    remedy: `llm-bridge ${command === undefined ? '' : `${command} `}--help${missing}`,
  });
}

const COMMANDS = [
  'init',
  'key',
  'ask',
  'answer',
  'cancel',
  'watch',
  'agent',
  'list',
  'log',
  'status',
  'ingest',
  'verify',
  'doctor',
  'demo',
];
