import yargs, { type Argv } from 'yargs';
import { packageVersion } from '../process/own-package.js';
import { BridgeError } from '../protocol/bridge-error.js';
import { joinLines } from '../protocol/printable.js';
import { type Command, type CommandEntry, type CommandIo, nameOf } from './command.js';
import { COMMANDS } from './commands.js';
import { declare } from './declare-command.js';
import { fillFromEnvironment } from './environment-options.js';
import { fillFromProfile } from './fill-from-profile.js';
import { camelCase, type Option } from './option.js';
import { EXIT, type ExitCode } from './print-error.js';

/** Words for the messages of yargs that leave a person guessing. */
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
  'Did you mean %s?': 'unknown command; did you mean %s?',
  'Unknown argument: %s': { one: 'unknown option: %s', other: 'unknown options: %s' },
  'Unknown command: %s': {
    one: 'unknown command or argument: %s',
    other: 'unknown commands or arguments: %s',
  },
} as never;

/** For `completion --help`, where yargs prints the script, because it looks at the first word alone. */
const COMPLETION_HELP = `llm-bridge completion

Print a script for shell completion: for zsh where $SHELL is zsh, else for bash

Examples:
  llm-bridge completion >> ~/.bashrc
      complete commands and options with the tab key, from the next shell on
  SHELL=/bin/zsh llm-bridge completion >> ~/.zshrc
      the same for zsh`;

/** What the command line asks for, once yargs has read it. */
interface Call {
  /** The name of the command that is being read, with those above it; empty before the first is known. */
  path: readonly string[];
  /** Its options, for the variables that stand for them. */
  options: readonly Option[];
  run: ((io: CommandIo) => Promise<ExitCode>) | null;
}

/** Parses the command line, runs its command and returns the exit code. Throws what the command threw. */
export async function runCli(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  if (args[0] === 'completion' && args.some((word) => word === '--help' || word === '-h')) {
    await io.out.print(COMPLETION_HELP);
    return EXIT.done;
  }
  const call: Call = { path: [], options: [], run: null };
  const y = yargs([...args])
    .scriptName('llm-bridge')
    .usage(
      '$0 <command>\n\nUse the language model on your home PC from a server, through a bare git repository over SSH.',
    )
    .parserConfiguration({
      'parse-positional-numbers': false,
      'parse-numbers': false,
      'duplicate-arguments-array': true,
    })
    .middleware((given) => {
      fillFromEnvironment(given, call.options, io.env);
      fillFromProfile(given, call.options, { env: io.env, cwd: process.cwd() });
    }, true);
  layOutHelpOnlyToShowIt(y);
  for (const entry of COMMANDS) {
    // Reading all commands from the disk would take longer than most of them run. Any word may be the
    // command.
    const command = args.includes(nameOf(entry)) ? await entry.load() : null;
    register(y, { ...entry, command, above: [] }, call);
  }
  let said = '';
  await y
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
    .wrap(Math.min(100, io.out.columns ?? 80))
    .exitProcess(false)
    // English whatever LANG says: half of the words are ours, and people search for them.
    .locale('en')
    .updateStrings(WORDING)
    .fail((message, error) => {
      // yargs reports some faults of the command line by an error of its own; any other error is ours.
      if (error && error.name !== 'YError') throw error;
      throw wrongUse(message || error.message, call.path);
    })
    // With a callback yargs hands over the help, the version and the completions of a shell, and prints
    // nothing itself.
    .parseAsync([...args], {}, (_error, _argv, output) => {
      said = output;
    });
  if (said !== '') await io.out.print(`${said}\n`);
  return call.run === null ? EXIT.done : call.run(io);
}

/**
 * yargs lays out the help of every command that it runs, in case somebody calls `showHelp` later, which we
 * never do. For that it loads `Intl.Segmenter` and its Unicode tables, to measure the columns of a text.
 * Together this is a fifth of the time that `ask` takes.
 */
function layOutHelpOnlyToShowIt(y: Argv): void {
  const { getInternalMethods } = y as unknown as {
    getInternalMethods?: () => { getUsageInstance(): { cacheHelpMessage(): void } };
  };
  // What yargs has no promise for may be gone with its next version; a test notices.
  const usage = getInternalMethods?.call(y).getUsageInstance();
  if (usage !== undefined) usage.cacheHelpMessage = () => {};
}

/** A command in the tree of commands. `above`: the names of those above it. */
interface Listed extends Omit<CommandEntry, 'load'> {
  /** Null where it was not loaded. */
  readonly command: Command | null;
  readonly above: readonly string[];
}

/** Makes a command known to yargs. One that was not loaded is only listed. */
function register(y: Argv, { usage, describe, command, above }: Listed, call: Call): void {
  const path = [...above, nameOf({ usage })];
  y.command({
    command: usage,
    describe,
    builder(inner) {
      if (command === null) return inner;
      call.path = path;
      call.options = [...call.options, ...command.options];
      declare(inner, command);
      for (const below of command.commands) register(inner, { ...below, above: path }, call);
      if (command.commands.length === 0) return inner;
      const names = command.commands.map(nameOf).join(', ');
      return inner.demandCommand(1, `${path.join(' ')} needs one of: ${names}`);
    },
    handler(parsed) {
      if (command?.commands.length === 0) call.run = (io) => command.run(parsed, { io, path });
    },
  });
}

/** yargs' complaint as one line, with the help of the command it is about. */
function wrongUse(complaint: string, path: readonly string[]): BridgeError {
  const message = joinLines(namedOnce(complaint.replace(/^Invalid values:/, '')));
  return new BridgeError(message, {
    code: 'usage',
    remedy: ['llm-bridge', ...path, '--help'].join(' '),
  });
}

/** yargs names an unknown option in both of its spellings: `api-url` and `apiUrl`. */
function namedOnce(complaint: string): string {
  const names = /^unknown options: (.*)$/.exec(complaint)?.[1]?.split(', ');
  if (names === undefined) return complaint;
  const typed = names.filter((name) => !names.some((other) => other !== name && camelCase(other) === name));
  return `unknown option${typed.length > 1 ? 's' : ''}: ${typed.join(', ')}`;
}
