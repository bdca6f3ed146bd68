import * as z from 'zod';

/**
 * What a value is, for the code that hands it on: a `path` is made absolute for a service, a `bridge` is a
 * path or an address, `seconds` are a number, a `switch` has no value.
 */
export type OptionKind = 'text' | 'path' | 'url' | 'bridge' | 'number' | 'seconds' | 'switch';

/** A row of the table of options. `Name` is what stands behind `--`; `Value` is what a command gets. */
export interface Option<Name extends string = string, Value = unknown> {
  readonly name: Name;
  readonly kind: OptionKind;
  /** Reads what the command line or a variable gave. It alone decides what the option may be. */
  readonly schema: z.ZodType<Value>;
  /** What it does, in one line, without its default. */
  readonly describe: string;
  /** What counts where it is not given, in words. */
  readonly byDefault: string | null;
  /** One letter, for `-n`. */
  readonly alias: string | null;
  readonly choices: readonly string[] | null;
  /** True where the command cannot do without a value. What `byDefault` says may still give it. */
  readonly isRequired: boolean;
  /** True where it can be given several times. */
  readonly isRepeatable: boolean;
  /** Its names for yargs and for variables: `wait` and `no-wait`. */
  readonly names: readonly string[];
  /** Whether a variable stands for it. */
  readonly hasVariable: boolean;
  /** Its heading in `--help`; null: it stands with those that have none. */
  readonly group: string | null;
  readonly isHidden: boolean;
  /** True where others must not read the value: it never becomes a word of a service's command line. */
  readonly isSecret: boolean;
  /** True where it is about one run and so means nothing to a service. */
  readonly isForOneRun: boolean;
  /** True for a switch that is on by default: only `--no-<name>` is shown. */
  readonly isNegated: boolean;
}

/** What a row says of its option. What it leaves out is empty or false. */
interface Row<Value> {
  readonly kind: OptionKind;
  readonly describe: string;
  /** What one value has to be. Default: what the kind says. */
  readonly value?: z.ZodType<Value>;
  /** What counts where it is not given, as it would be typed. */
  readonly default?: string | number | boolean;
  /** The same in words, where these say more, or where another room has the default. */
  readonly byDefault?: string;
  readonly alias?: string;
  readonly choices?: readonly string[];
  readonly required?: boolean;
  readonly repeatable?: boolean;
  readonly hidden?: boolean;
  readonly secret?: boolean;
  readonly forOneRun?: boolean;
  readonly negated?: boolean;
  /** False where the variable of this name stands for something else. */
  readonly variable?: false;
}

/** A number, from the command line or from a variable, where it is text. */
export const numberValue = z.coerce.number({
  error: (issue) => (issue.code === 'invalid_type' ? 'must be a number' : undefined),
});

/** The type of a value of each kind, where the row has no `value`. */
interface KindValues {
  readonly text: string;
  readonly path: string;
  readonly url: string;
  readonly bridge: string;
  readonly number: number;
  readonly seconds: number;
  readonly switch: boolean;
}
const KIND_SCHEMAS: { readonly [Kind in OptionKind]: z.ZodType<KindValues[Kind]> } = {
  text: z.string(),
  path: z.string().min(1, 'is empty'),
  url: z.string().min(1, 'is empty'),
  bridge: z.string().min(1, 'is empty'),
  number: numberValue,
  seconds: numberValue,
  switch: z.boolean(),
};

type OneValue<R> = R extends { readonly value: z.ZodType<infer Value> }
  ? Value
  : R extends { readonly kind: infer Kind extends OptionKind }
    ? KindValues[Kind]
    : never;

/**
 * What a command gets: a list for what is repeatable; `undefined` only where it may be missing and has no
 * default.
 */
type ValueOf<R> = R extends { readonly repeatable: true; readonly required: true }
  ? OneValue<R>[]
  : R extends { readonly repeatable: true }
    ? OneValue<R>[] | undefined
    : R extends { readonly kind: 'switch' } | { readonly required: true } | { readonly default: unknown }
      ? OneValue<R>
      : OneValue<R> | undefined;

/**
 * Makes a row. The type of its value follows from `kind` and `value`, `required`, `repeatable` and
 * `default`.
 */
export function option<const Name extends string, const R extends Row<unknown>>(
  name: Name,
  row: R,
): Option<Name, ValueOf<R>> {
  const { required = false, repeatable = false, negated = false } = row;
  const isSwitch = row.kind === 'switch';
  const byDefault = row.byDefault ?? (row.default === undefined || isSwitch ? null : String(row.default));
  return {
    name,
    kind: row.kind,
    schema: schemaOf(row) as z.ZodType<ValueOf<R>>,
    describe: row.describe,
    byDefault,
    alias: row.alias ?? null,
    choices: row.choices ?? null,
    isRequired: required,
    isRepeatable: repeatable,
    names: negated ? [name, `no-${name}`] : [name],
    hasVariable: row.variable ?? true,
    group: null,
    isHidden: row.hidden ?? false,
    isSecret: row.secret ?? false,
    isForOneRun: row.forOneRun ?? false,
    isNegated: negated,
  };
}

function schemaOf(row: Row<unknown>): z.ZodType {
  const one = row.value ?? KIND_SCHEMAS[row.kind];
  const value = row.repeatable ? z.array(one) : one;
  if (row.required) return value;
  const byItself = row.kind === 'switch' ? (row.negated ?? false) : row.default;
  // As if it had been typed: the default goes through the same schema as what is given.
  return byItself === undefined ? value.optional() : value.prefault(byItself as never);
}

/** Makes a row for what stands on the command line without a name. No variable stands for it. */
export function positional<const Name extends string, const R extends Row<unknown>>(
  name: Name,
  row: R,
): Option<Name, ValueOf<R>> {
  return { ...option(name, row), hasVariable: false };
}

/** The variable that stands for `--<name>`. */
export function variableOf(name: string): string {
  return `LLM_BRIDGE_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** The row in the words of one command, under the heading it has there. All else stays. */
export function worded<O extends Option>(one: O, describe: string, group: string | null = one.group): O {
  return { ...one, describe, group };
}

/** Rows under another heading. */
export function grouped<const Rows extends readonly Option[]>(group: string, rows: Rows): Rows {
  return rows.map((one) => ({ ...one, group })) as unknown as Rows;
}

/** What `--help` says of it. */
export function helpOf({ describe, byDefault }: Option): string {
  return byDefault === null ? describe : `${describe}. Default: ${byDefault}`;
}

/** `accept-new-host-key` as the name of a property: `acceptNewHostKey`. */
export type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** The same for a name at run time. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_dash, char: string) => char.toUpperCase());
}

/** What a command gets of the options it takes: a property for each, typed by its row. */
export type OptionValues<Rows extends readonly Option[]> = {
  readonly [One in Rows[number] as CamelCase<One['name']>]: One extends Option<string, infer Value>
    ? Value
    : never;
};
