import type { Argv, Options, PositionalOptions } from 'yargs';
import * as z from 'zod';
import { BridgeError } from '../protocol/bridge-error.js';
import { describeIssues } from '../protocol/strict-json.js';
import { camelCase, helpOf, type Option, type OptionValues, variableOf } from './option.js';
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
   * Options that it hands on: `args` has no property for them; `given` has their values as they were typed.
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

/** Declares for yargs what a command takes, and what its help shows. */
export function declare(y: Argv, command: Command): Argv {
  for (const one of command.positionals) y.positional(one.name, positionalOf(one));
  for (const one of command.options) {
    // yargs reads --no-wait as the opposite of --wait. Both are declared, so that one is shown and either is
    // known.
    if (one.isNegated) y.option(one.name, { type: 'boolean', hidden: true, ...groupOf(one) });
    y.option(one.isNegated ? `no-${one.name}` : one.name, declarationOf(one));
  }
  const parts = [examplesOf(command), command.epilog, variablesOf(command)];
  return y.epilog(parts.filter((text) => text !== '').join('\n\n'));
}

/**
 * What `--help` says of its examples: one below the other, because yargs' two columns break an address in its
 * middle, and what is broken cannot be copied.
 */
function examplesOf({ examples }: Command): string {
  if (examples.length === 0) return '';
  return ['Examples:', ...examples.map(([line, what]) => `  ${line}\n      ${what}`)].join('\n');
}

/** What `--help` says of the variables that stand for its options. */
function variablesOf({ options }: Command): string {
  const shown = options.filter((one) => one.hasVariable && !one.isHidden).slice(0, 2);
  if (shown.length === 0) return '';
  const forms = shown.map(
    ({ name, names }) => `--${names.at(-1) ?? name} as ${variableOf(names.at(-1) ?? name)}`,
  );
  return `Options can also be set in the environment: ${forms.join(', ')}.`;
}

function positionalOf(one: Option): PositionalOptions {
  return {
    ...(one.choices === null ? { type: 'string' as const } : { choices: one.choices }),
    ...(one.isRepeatable ? { array: true } : {}),
    ...(one.isRequired ? { demandOption: true } : {}),
    describe: helpOf(one),
  };
}

const YARGS_TYPES = {
  text: 'string',
  path: 'string',
  url: 'string',
  bridge: 'string',
  number: 'number',
  seconds: 'number',
  switch: 'boolean',
} as const;

function declarationOf(one: Option): Options {
  return {
    type: YARGS_TYPES[one.kind],
    describe: helpOf(one),
    ...(one.kind === 'switch' ? {} : { requiresArg: true }),
    ...(one.isRepeatable ? { array: true, nargs: 1 } : {}),
    ...(one.isRequired ? { demandOption: true } : {}),
    ...(one.alias === null ? {} : { alias: one.alias }),
    ...(one.choices === null ? {} : { choices: one.choices }),
    ...(one.isHidden ? { hidden: true } : {}),
    ...groupOf(one),
  };
}

function groupOf({ group }: Option): Options {
  return group === null ? {} : { group };
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
