import type { Argv, Options, PositionalOptions } from 'yargs';
import type { Command } from './command.js';
import { helpOf, type Option, variableOf } from './option.js';

/** Declares for yargs what a command takes, and what its help shows. */
export function declare(y: Argv, command: Command): Argv {
  for (const one of command.positionals) y.positional(one.name, positionalOf(one));
  for (const one of command.options) {
    // yargs reads --no-wait as the opposite of --wait. Both are declared, so that both are known and one is
    // shown.
    if (one.isNegated) y.option(one.name, { type: 'boolean', hidden: true, ...groupOf(one) });
    y.option(one.isNegated ? `no-${one.name}` : one.name, declarationOf(one));
  }
  const parts = [examplesOf(command), command.epilog, variablesOf(command)];
  return y.epilog(parts.filter((text) => text !== '').join('\n\n'));
}

/**
 * What `--help` says of its examples: one below the other, because yargs' two columns break an address in
 * the middle, so that nobody can copy it.
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
    // One that is mostly known without being given is not shown as required; `readValues` misses it.
    ...(one.isRequired && one.byDefault === null ? { demandOption: true } : {}),
    ...(one.alias === null ? {} : { alias: one.alias }),
    ...(one.choices === null ? {} : { choices: one.choices }),
    ...(one.isHidden ? { hidden: true } : {}),
    ...groupOf(one),
  };
}

function groupOf({ group }: Option): Options {
  return group === null ? {} : { group };
}
