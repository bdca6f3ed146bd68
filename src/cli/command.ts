import * as z from 'zod';
import { BridgeError } from '../protocol/bridge-error.js';
import { describeIssues } from '../protocol/strict-json.js';
import { camelCase, type Option, type OptionValues, variableOf } from './option.js';
import type { Output } from './output.js';
import type { ExitCode } from './print-error.js';

/** What a command may use of the process it runs in. */
export interface CommandIo {
  readonly out: Output;
  readonly env: NodeJS.ProcessEnv;
}

/** What a command gets: its positionals and options by their names, and the words behind `--`. */
export type CommandArgs<P extends readonly Option[], O extends readonly Option[]> = OptionValues<P> &
  OptionValues<O> & { readonly words: readonly string[] };

/** A command: what it takes, and what it does. */
export interface Command {
  readonly positionals: readonly Option[];
  readonly options: readonly Option[];
  /** A command line (`$0` is the program) and what it is for. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly epilog: string;
  /** The commands below it, in place of doing anything itself. */
  readonly commands: readonly SubcommandEntry[];
  /**
   * Reads what yargs parsed and does the work. Throws BridgeError, `usage` for what the command line says.
   */
  run(parsed: unknown, call: CommandCall): Promise<ExitCode>;
}

/** How a command was called. */
interface CommandCall {
  readonly io: CommandIo;
  /** Its name with those above it: `['key', 'add']`. */
  readonly path: readonly string[];
}

/** A line in a list of commands. */
export interface CommandEntry {
  /** As yargs takes it: `answer <task>`. */
  readonly usage: string;
  readonly describe: string;
  /** Loads it: only the command that is called is read from the disk. */
  readonly load: () => Promise<Command>;
}

/** A command below another, which comes in the file of that one. */
export type SubcommandEntry = Omit<CommandEntry, 'load'> & { readonly command: Command };

/** Defines a command; the types of `args` follow from the options it names. */
export function defineCommand<const P extends readonly Option[], const O extends readonly Option[]>(spec: {
  readonly positionals?: P;
  readonly options: O;
  /**
   * Options that it hands on. `args` has no property for them; `given` has their values as they were typed.
   */
  readonly moreOptions?: readonly Option[];
  readonly examples: Command['examples'];
  readonly epilog?: string;
  run(args: CommandArgs<P, O>, io: CommandIo, given: Readonly<Record<string, unknown>>): Promise<ExitCode>;
}): Command {
  const { positionals = [], examples, epilog = '' } = spec;
  const options = [...spec.options, ...(spec.moreOptions ?? [])];
  return {
    positionals,
    options,
    examples,
    epilog,
    commands: [],
    run(parsed, { io, path }) {
      const values = readValues({ positionals, options }, parsed, path.join(' '));
      // yargs leaves what stands behind `--` in `_`, after the names of the command.
      const words = z
        .object({ _: z.array(z.string()) })
        .parse(parsed)
        ._.slice(path.length);
      return spec.run({ ...values, words } as CommandArgs<P, O>, io, parsed as Record<string, unknown>);
    },
  };
}

/** Defines a command that only has others below it, which take its options as well. */
export function defineGroup(spec: {
  readonly options: readonly Option[];
  readonly examples: Command['examples'];
  readonly commands: readonly SubcommandEntry[];
}): Command {
  return {
    positionals: [],
    epilog: '',
    ...spec,
    run() {
      throw new Error('yargs runs a command of a group, never the group');
    },
  };
}

/** The first word of a usage: the name of the command. */
export function nameOf({ usage }: Pick<CommandEntry, 'usage'>): string {
  return usage.split(' ', 1)[0] ?? usage;
}

/**
 * Reads parsed arguments by the rows of a command. Throws BridgeError `usage` that names the option, or the
 * positional in angle brackets. An option that is given twice is refused here too, because its value is a
 * list then.
 */
export function readValues(
  { positionals, options }: Pick<Command, 'positionals' | 'options'>,
  parsed: unknown,
  help: string,
): Record<string, unknown> {
  const given = { ...(parsed as Record<string, unknown>) };
  for (const { name } of options.filter((one) => one.isNegated)) {
    if (given[camelCase(`no-${name}`)] === true) given[camelCase(name)] = false;
  }
  // yargs misses the others itself.
  const missing = options.find((one) => one.isRequired && given[camelCase(one.name)] === undefined);
  if (missing !== undefined) throw missingOption(missing, help);
  const rows = [...positionals, ...options];
  const schema = z.object(Object.fromEntries(rows.map((one) => [camelCase(one.name), one.schema])));
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  const issues = read.error.issues.map((issue) => {
    const property = String(issue.path[0]);
    const name = rows.find((one) => camelCase(one.name) === property)?.name ?? property;
    // A schema that wants one value found a list: that is what yargs makes of an option given twice.
    const isTwice = issue.path.length === 1 && Array.isArray(given[property]);
    return {
      ...issue,
      path: [positionals.some((one) => one.name === name) ? `<${name}>` : `--${name}`],
      ...(isTwice ? { message: 'is given more than once' } : {}),
    };
  });
  throw new BridgeError(describeIssues(issues), { code: 'usage', remedy: `llm-bridge ${help} --help` });
}

function missingOption({ name }: Option, help: string): BridgeError {
  const saved = name === 'repo' ? ', or saved by "llm-bridge join"' : '';
  return new BridgeError(`the option --${name} is missing`, {
    code: 'usage',
    remedy: `llm-bridge ${help} --help; it can also be set once as ${variableOf(name)} in the environment${saved}`,
  });
}
